namespace Beam.ML.Vllm.Kernels;

/// <summary>The kernels, compiled for one instruction set. Each operation is in a file of its own.</summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>(WorkerPool pool) : CpuKernels(pool)
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public override int PanelWidth => 2 * TSimd.Width;

    public override void Dispose()
    {
        _packedRows?.Dispose();
        _quantizedRows?.Dispose();
        _rowSums?.Dispose();
        _scores?.Dispose();
    }

    /// <summary>The part of <paramref name="count"/> equal pieces of work that falls to one thread.</summary>
    private static (int From, int To) Share(int count, int part, int parts) =>
        ((int)((long)count * part / parts), (int)((long)count * (part + 1) / parts));

    private static NativeBuffer<float> AtLeast(ref NativeBuffer<float>? buffer, long length)
    {
        if (buffer is not null && buffer.Length >= length) return buffer;
        buffer?.Dispose();
        return buffer = new NativeBuffer<float>(length);
    }
}
