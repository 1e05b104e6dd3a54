using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Reads one row of a panel, 2 × Width columns of one input, as two vectors of floats.</summary>
internal unsafe interface IPanelFormat<TVec> where TVec : struct
{
    static abstract int RowBytes { get; }

    static abstract TVec Low(byte* row);

    static abstract TVec High(byte* row);
}

internal readonly unsafe struct Float32Panel<TSimd, TVec> : IPanelFormat<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public static int RowBytes => 8 * TSimd.Width;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Low(byte* row) => TSimd.Load((float*)row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec High(byte* row) => TSimd.Load((float*)row + TSimd.Width);
}

internal readonly unsafe struct BFloat16Panel<TSimd, TVec> : IPanelFormat<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public static int RowBytes => 4 * TSimd.Width;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Low(byte* row) => TSimd.LoadLowHalves((ushort*)row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec High(byte* row) => TSimd.LoadHighHalves((ushort*)row);
}
