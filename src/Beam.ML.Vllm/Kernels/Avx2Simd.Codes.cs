using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Kernels;

internal readonly unsafe partial struct Avx2Simd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ShiftRight(Vector256<float> words, int count) => (words.AsUInt32() >> count).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Int8(Vector256<float> words, int place) => InMantissa(words, 8 * place, 0xFF, 128);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Int4(Vector256<float> words, int place) => InMantissa(words, QuantizedMatrix.NibbleBit(place), 0xF, 8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Float4(Vector256<float> words, int place)
    {
        // The lowest three bits of a lane choose the magnitude.
        var bit = QuantizedMatrix.NibbleBit(place);
        var magnitude = Avx2.PermuteVar8x32(Vector256.Create(0f, 2, 4, 6, 8, 12, 16, 24), (words.AsUInt32() >> bit).AsInt32());
        var sign = (words.AsUInt32() << (28 - bit)) & Vector256.Create(0x80000000u);
        return (magnitude.AsUInt32() | sign).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Float8(Vector256<float> words, int place, int exponentBits)
    {
        // Without an exponent there is no leading one either: twice the number less both is the smaller there, and nowhere else.
        var top = words.AsUInt32() << (24 - (8 * place));
        var bits = ((top >> (8 - exponentBits)) & Vector256.Create(exponentBits == 4 ? 0x07F00000u : 0x0FE00000)) | Vector256.Create(0x40000000u);
        var magnitude = Avx.Min(bits.AsSingle(), Fma(bits.AsSingle(), Vector256.Create(2f), Vector256.Create(-4f)));
        return ((top & Vector256.Create(0x80000000u)) | magnitude.AsUInt32()).AsSingle();
    }

    /// <summary>Bits in the mantissa of a power of two add to it: taking that off leaves the number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> InMantissa(Vector256<float> words, int bit, uint mask, float offset)
    {
        var bits = words.AsUInt32();
        if (bit >= 16) bits >>= 16;
        bit %= 16;
        var magic = (bits & Vector256.Create(mask << bit)) | Vector256.Create((uint)(127 + 23 - bit) << 23);
        return magic.AsSingle() - Vector256.Create((1 << (23 - bit)) + offset);
    }
}
