using System.Numerics;
using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

internal readonly unsafe partial struct PortableSimd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Int8(Vector<float> words, int place) => InMantissa(words, 8 * place, 0xFF, 128);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Int4(Vector<float> words, int place) => InMantissa(words, QuantizedMatrix.NibbleBit(place), 0xF, 8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Float4(Vector<float> words, int place) =>
        SmallFloat(Vector.AsVectorInt32(words) << (28 - QuantizedMatrix.NibbleBit(place)), exponentBits: 2, mask: 0x81C00000, bias: 8.507059e37f);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Float8(Vector<float> words, int place, int exponentBits) => exponentBits == 4
        ? SmallFloat(Vector.AsVectorInt32(words) << (24 - (8 * place)), 4, 0x87F00000, 1.329228e36f)
        : SmallFloat(Vector.AsVectorInt32(words) << (24 - (8 * place)), 5, 0x8FE00000, 5.192297e33f);

    /// <summary>The sign stays at the top, the rest moves to where a float has its exponent; a factor makes up for the bias.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> SmallFloat(Vector<int> top, int exponentBits, uint mask, float bias) =>
        Vector.AsVectorSingle((top >> (8 - exponentBits)) & new Vector<int>(unchecked((int)mask))) * new Vector<float>(bias);

    /// <summary>Bits in the mantissa of a power of two add to it: taking that off leaves the number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> InMantissa(Vector<float> words, int bit, uint mask, float offset)
    {
        var bits = Vector.AsVectorUInt32(words);
        if (bit >= 16) bits >>>= 16;
        bit %= 16;
        var magic = (bits & new Vector<uint>(mask << bit)) | new Vector<uint>((uint)(127 + 23 - bit) << 23);
        return Vector.AsVectorSingle(magic) - new Vector<float>((1 << (23 - bit)) + offset);
    }
}
