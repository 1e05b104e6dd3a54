using System.Runtime.CompilerServices;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels.Assembly;

namespace Beam.ML.Vllm.Kernels;

/// <summary>The kernels, compiled for one instruction set. Each operation is in a file of its own.</summary>
/// <param name="pool">The threads.</param>
/// <param name="tiles">The tiles of matrix products; the kernels dispose of them.</param>
/// <param name="bfloat16Dot">Products with bfloat16 weights round activations to bfloat16, for tiles of that kind.</param>
/// <param name="int8Dot">Products with weights of 8 bits round activations to 8 bits, for tiles of that kind.</param>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>(WorkerPool pool, TileSet tiles, bool bfloat16Dot = false, bool int8Dot = false) : CpuKernels(pool)
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public override int PanelWidth => 2 * TSimd.Width;

    public override MatrixKernels MatrixKernels =>
        bfloat16Dot ? MatrixKernels.BFloat16Dot : int8Dot ? MatrixKernels.Int8Dot : tiles is AssembledTiles ? MatrixKernels.Fma : MatrixKernels.Intrinsics;

    public override void Dispose()
    {
        tiles.Dispose();
        _packedRows?.Dispose();
        _partialSums?.Dispose();
        _quantizedRows?.Dispose();
        _rowSums?.Dispose();
        _attentionScratch?.Dispose();
        _attentionPartials?.Dispose();
    }

    /// <summary>The part of <paramref name="count"/> equal pieces of work that falls to one thread.</summary>
    private static (int From, int To) Share(int count, int part, int parts) =>
        ((int)((long)count * part / parts), (int)((long)count * (part + 1) / parts));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Put(float* tile, TVec low, TVec high)
    {
        TSimd.Store(tile, low);
        TSimd.Store(tile + TSimd.Width, high);
        return tile + (2 * TSimd.Width);
    }

    private static NativeBuffer<float> AtLeast(ref NativeBuffer<float>? buffer, long length)
    {
        if (buffer is not null && buffer.Length >= length) return buffer;
        buffer?.Dispose();
        return buffer = new NativeBuffer<float>(length);
    }
}
