using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Lora;

namespace Beam.ML.Vllm.Models;

/// <summary>What every layer gets at hand during a step: the kernels, memory to work in, the rows of the step and the cache.</summary>
internal sealed class ForwardContext(CpuKernels kernels, Workspace workspace, KvCache cache, PagedBatch batch)
{
    public CpuKernels Kernels => kernels;

    public Workspace Workspace => workspace;

    public KvCache Cache => cache;

    public PagedBatch Batch => batch;

    /// <summary>The rows that adapters change.</summary>
    public LoraBatch Lora { get; } = new();

    public ExpertRouting Routing { get; } = new();

    public Matrix Scratch(Scratch use, int columns) => workspace.Matrix(use, batch.Rows, columns);
}

/// <summary>The keys and values of all layers that keep any, in the model's order.</summary>
internal sealed class KvCache : IDisposable
{
    private readonly KvCacheLayer[] _layers;

    public KvCache(IReadOnlyList<KvShape> shapes, int blocks, int blockSize, KvCacheFormat format)
    {
        (Blocks, BlockSize) = (blocks, blockSize);
        _layers = [.. shapes.Select(s => new KvCacheLayer(blocks, blockSize, s.Heads, s.HeadSize, format))];
    }

    public int Blocks { get; }

    public int BlockSize { get; }

    public KvCacheLayer this[int layer] => _layers[layer];

    /// <summary>The memory that one block of all layers takes.</summary>
    public static long BytesPerBlock(IReadOnlyList<KvShape> shapes, int blockSize, KvCacheFormat format) =>
        shapes.Sum(s => KvCacheLayer.BytesPerBlock(blockSize, s.Heads, s.HeadSize, format));

    public void Dispose()
    {
        foreach (var layer in _layers) layer.Dispose();
    }
}

/// <summary>What one layer keeps of a token.</summary>
internal readonly record struct KvShape(int Heads, int HeadSize);
