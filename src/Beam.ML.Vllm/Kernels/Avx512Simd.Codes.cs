using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Kernels;

internal readonly unsafe partial struct Avx512Simd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ShiftRight(Vector512<float> words, int count) => (words.AsUInt32() >> count).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Int8(Vector512<float> words, int place)
    {
        // A byte in the mantissa of a power of two adds to it; two of the four places need no shift.
        var bits = words.AsUInt32();
        if (place >= 2) bits >>= 16;
        var magic = place % 2 == 0
            ? Ternary(bits, 0xFF, 0x4B000000)
            : Ternary(bits, 0xFF00, 0x47000000);
        return magic - Vector512.Create(place % 2 == 0 ? 8388608f + 128 : 32768f + 128);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Int4(Vector512<float> words, int place) => Lookup(
        Vector512.Create(-8f, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7), words, place);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Float4(Vector512<float> words, int place) => Lookup(
        Vector512.Create(0f, 2, 4, 6, 8, 12, 16, 24, -0f, -2, -4, -6, -8, -12, -16, -24), words, place);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Float8(Vector512<float> words, int place, int exponentBits)
    {
        // Without an exponent there is no leading one either: twice the number less both is the smaller there, and nowhere else.
        var top = words.AsUInt32() << (24 - (8 * place));
        var magnitude = Ternary(top >> (8 - exponentBits), exponentBits == 4 ? 0x07F00000u : 0x0FE00000, 0x40000000);
        magnitude = Avx512F.Min(magnitude, Avx512F.FusedMultiplyAdd(magnitude, Vector512.Create(2f), Vector512.Create(-4f)));
        return ((top & Vector512.Create(0x80000000u)) | magnitude.AsUInt32()).AsSingle();
    }

    /// <summary>The lowest four bits of each lane choose.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Lookup(Vector512<float> table, Vector512<float> words, int place) =>
        Avx512F.PermuteVar16x32(table, (words.AsUInt32() >> QuantizedMatrix.NibbleBit(place)).AsInt32());

    /// <summary>bits &amp; mask | set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Ternary(Vector512<uint> bits, uint mask, uint set) =>
        Avx512F.TernaryLogic(bits, Vector512.Create(mask), Vector512.Create(set), 0xEA).AsSingle();
}
