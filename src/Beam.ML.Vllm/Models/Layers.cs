using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>A linear layer; several projections of the same input may be merged into one, side by side.</summary>
internal sealed class Linear(PackedMatrix weights)
{
    public int Outputs => weights.Outputs;

    public void Forward(ForwardContext context, Matrix x, Matrix y) => context.Kernels.Multiply(x, weights, y);

    /// <summary>Adds the result to y, which carries the residual stream.</summary>
    public void ForwardAdd(ForwardContext context, Matrix x, Matrix y) => context.Kernels.Multiply(x, weights, y, accumulate: true);
}

internal sealed class RmsNorm(NativeBuffer<float> weight, float epsilon)
{
    public void Forward(ForwardContext context, Matrix x, Matrix y) => context.Kernels.RmsNorm(x, weight, epsilon, y);
}

/// <summary>Token embeddings, packed as a linear layer so that a tied head shares their memory.</summary>
internal sealed class TokenEmbedding(PackedMatrix table, float scale)
{
    public int VocabularySize => table.Outputs;

    public int HiddenSize => table.Inputs;

    public void Forward(ForwardContext context, Matrix y) => context.Kernels.Gather(table, context.Batch.TokenIds, scale, y);

    /// <summary>The head that uses the same weights.</summary>
    public Linear TiedHead() => new(table);
}

/// <summary>The rotation of queries and keys by their positions.</summary>
internal sealed class RotaryEmbedding(RotaryTable table, int headSize)
{
    public void Forward(ForwardContext context, Matrix x) => context.Kernels.Rotate(x, headSize, table, context.Batch);
}
