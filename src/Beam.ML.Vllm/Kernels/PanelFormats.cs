using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Reads the weights of 2 × Width columns for two inputs of a panel, an even one and the next, a vector (0 or 1) at a time.</summary>
internal interface IPanelFormat<TVec> where TVec : struct
{
    static abstract int PairBytes { get; }

    static abstract TVec Even(nint pair, int vector);

    static abstract TVec Odd(nint pair, int vector);
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

    /// <summary>Writes a panel, or a part of one, as the float32 panel of the same weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(byte* panel, int inputs, float* target)
    {
        var pair = (nint)panel;
        for (var k = 0; k < inputs; k += 2, pair += PairBytes, target += 4 * TSimd.Width)
        {
            TSimd.Store(target, Even(pair, 0));
            TSimd.Store(target + TSimd.Width, Even(pair, 1));
            TSimd.Store(target + (2 * TSimd.Width), Odd(pair, 0));
            TSimd.Store(target + (3 * TSimd.Width), Odd(pair, 1));
        }
    }
}
