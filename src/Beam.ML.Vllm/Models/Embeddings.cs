using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Token embeddings, packed as a linear layer so that a tied head shares their memory.</summary>
/// <param name="table">[vocabulary, embedding size].</param>
/// <param name="scale">What they are multiplied by.</param>
/// <param name="projection">From the embedding size to the hidden size, where they differ.</param>
internal sealed class TokenEmbedding(WeightMatrix table, float scale = 1, Linear? projection = null)
{
    public int VocabularySize => table.Outputs;

    public int HiddenSize => projection?.Outputs ?? table.Inputs;

    public void Forward(ForwardContext context, Matrix y)
    {
        var ids = context.Batch.TokenIds;
        if (projection is null)
        {
            context.Kernels.Gather(table, ids, scale, y);
            return;
        }

        var narrow = context.Scratch(Scratch.Normed, table.Inputs);
        context.Kernels.Gather(table, ids, scale, narrow);
        projection.Forward(context, narrow, y);
    }

    /// <summary>The head that uses the same weights.</summary>
    public Linear TiedHead() => new(table);
}

/// <summary>Adds what was learned for each position; the table, [positions, hidden size], starts at position 0.</summary>
internal sealed class PositionEmbedding(NativeBuffer<float> table) : ILayer
{
    public void Forward(ForwardContext context, Matrix hidden) => context.Kernels.AddPositions(hidden, table, context.Batch);
}

/// <summary>The rotation of queries and keys by their positions.</summary>
internal sealed class RotaryEmbedding(RotaryTable table, int headSize)
{
    public void Forward(ForwardContext context, Matrix x) => context.Kernels.Rotate(x, headSize, table, context.Batch);
}
