using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Lora;

/// <summary>What an adapter adds to one module: y += scale × B (A x).</summary>
/// <param name="A">[rank, inputs].</param>
/// <param name="B">[outputs, rank].</param>
/// <param name="Scale">alpha / rank, or alpha / √rank.</param>
internal sealed record LoraWeights(PackedMatrix A, PackedMatrix B, float Scale);

/// <summary>An adapter in memory.</summary>
/// <param name="name">What requests call it.</param>
/// <param name="identity">The hash of its weights as they are in memory: equal only for equal adapters, so it may stand for the adapter in the prefix cache.</param>
/// <param name="weights">By the index of the module; null where it changes nothing.</param>
/// <param name="disposed">Called when its memory has been given back.</param>
internal sealed class LoraAdapter(string name, BlockHash identity, LoraWeights?[] weights, Action? disposed = null) : IDisposable
{
    public string Name => name;

    public BlockHash Identity => identity;

    /// <summary>What it adds to a module; null for nothing.</summary>
    public LoraWeights? this[LoraTarget target] => weights[target.Index];

    public bool IsDisposed { get; private set; }

    public void Dispose()
    {
        if (IsDisposed) return;
        IsDisposed = true;
        foreach (var pair in weights)
        {
            pair?.A.Dispose();
            pair?.B.Dispose();
        }

        disposed?.Invoke();
    }
}
