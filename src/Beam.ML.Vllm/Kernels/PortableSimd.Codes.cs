using System.Numerics;
using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

internal readonly unsafe partial struct PortableSimd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> ShiftRight(Vector<float> words, int count) => Vector.AsVectorSingle(Vector.AsVectorUInt32(words) >>> count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Int8(Vector<float> words, int place) => InMantissa(words, 8 * place, 0xFF, 128);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Int4(Vector<float> words, int place) => InMantissa(words, QuantizedMatrix.NibbleBit(place), 0xF, 8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Float4(Vector<float> words, int place) =>
        SmallFloat(Vector.AsVectorUInt32(words) << (28 - QuantizedMatrix.NibbleBit(place)), exponentBits: 2, mask: 0x01C00000);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Float8(Vector<float> words, int place, int exponentBits) =>
        SmallFloat(Vector.AsVectorUInt32(words) << (24 - (8 * place)), exponentBits, exponentBits == 4 ? 0x07F00000u : 0x0FE00000);

    /// <summary>The sign stays at the top, the rest moves to where a float has its exponent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> SmallFloat(Vector<uint> top, int exponentBits, uint mask)
    {
        // Without an exponent there is no leading one either: twice the number less both is the smaller there, and nowhere else.
        var magnitude = Vector.AsVectorSingle(((top >>> (8 - exponentBits)) & new Vector<uint>(mask)) | new Vector<uint>(0x40000000));
        magnitude = Vector.Min(magnitude, magnitude + magnitude - new Vector<float>(4));
        return Vector.AsVectorSingle((top & new Vector<uint>(0x80000000)) | Vector.AsVectorUInt32(magnitude));
    }

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
