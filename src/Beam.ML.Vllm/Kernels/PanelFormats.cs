using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Reads the weights of 2 × Width columns for two inputs of a panel, an even one and the next, a vector (0 or 1) at a time.</summary>
internal interface IPanelFormat<TVec> where TVec : struct
{
    static abstract int PairBytes { get; }

    static abstract TVec Even(nint pair, int vector);

    static abstract TVec Odd(nint pair, int vector);

    /// <summary>Asks for a pair that will be needed soon, which may be past the end of all memory.</summary>
    static abstract void Prefetch(nint pair);
}

internal readonly unsafe struct Float32Panel<TSimd, TVec> : IPanelFormat<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public static int PairBytes => 16 * TSimd.Width;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Even(nint pair, int vector) => TSimd.Load((float*)pair + (vector * TSimd.Width));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Odd(nint pair, int vector) => TSimd.Load((float*)pair + ((2 + vector) * TSimd.Width));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(nint pair)
    {
        BFloat16Panel<TSimd, TVec>.Prefetch(pair);
        BFloat16Panel<TSimd, TVec>.Prefetch(pair + (PairBytes / 2));
    }
}

internal readonly unsafe struct BFloat16Panel<TSimd, TVec> : IPanelFormat<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public static int PairBytes => 8 * TSimd.Width;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Even(nint pair, int vector) => TSimd.LoadLowHalves((ushort*)pair + (2 * vector * TSimd.Width));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Odd(nint pair, int vector) => TSimd.LoadHighHalves((ushort*)pair + (2 * vector * TSimd.Width));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(nint pair)
    {
        TSimd.Prefetch(pair);
        if (PairBytes > 64) TSimd.Prefetch(pair + 64);
    }
}
