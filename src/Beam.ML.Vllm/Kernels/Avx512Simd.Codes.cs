using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Kernels;

internal readonly unsafe partial struct Avx512Simd
{
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
        Vector512.Create(0f, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6), words, place);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Float8(Vector512<float> words, int place, int exponentBits)
    {
        var top = words.AsInt32() << (24 - (8 * place));
        var bits = (top >> (8 - exponentBits)) & Vector512.Create(exponentBits == 4 ? unchecked((int)0x87F00000) : unchecked((int)0x8FE00000));
        return bits.AsSingle() * Vector512.Create(exponentBits == 4 ? 1.329228e36f : 5.192297e33f);
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
