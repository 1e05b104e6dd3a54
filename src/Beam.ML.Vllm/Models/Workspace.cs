using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>What a piece of working memory is for; two pieces that are alive at the same time have different uses.</summary>
internal enum Scratch
{
    Hidden,
    Normed,
    Branch,
    Projections,
    Values,
    Attention,
    GateUp,
    Activated,
    RouterLogits,
    ExpertInput,
    ExpertOutput,
    ExpertSum,
    PerLayerInputs,
    LoraInput,
    LoraInner,
    LoraOutput,
    LogitRows,
    Logits,
}

/// <summary>Working memory by use. It grows to the largest step and is then used again and again.</summary>
internal sealed unsafe class Workspace : IDisposable
{
    private readonly NativeBuffer<float>?[] _buffers = new NativeBuffer<float>?[Enum.GetValues<Scratch>().Length];

    /// <summary>The memory that it has grown to.</summary>
    public long Bytes => _buffers.Sum(b => b?.Bytes ?? 0);

    /// <summary>What of it is for one use.</summary>
    public long BytesOf(Scratch use) => _buffers[(int)use]?.Bytes ?? 0;

    /// <summary>An uninitialized matrix; it takes the place of the last one of the same use.</summary>
    public Matrix Matrix(Scratch use, int rows, int columns)
    {
        ref var buffer = ref _buffers[(int)use];
        var length = (long)rows * columns;
        if (buffer is null || buffer.Length < length)
        {
            buffer?.Dispose();
            buffer = new NativeBuffer<float>(length);
        }

        return new Matrix(buffer.Pointer, rows, columns, columns);
    }

    public void Dispose()
    {
        foreach (var buffer in _buffers) buffer?.Dispose();
    }
}
