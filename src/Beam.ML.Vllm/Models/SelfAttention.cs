using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>The sizes of an attention layer and its place in the cache.</summary>
internal sealed record AttentionShape(int Layer, int Heads, int KeyValueHeads, int HeadSize, float Scale)
{
    public int QuerySize => Heads * HeadSize;

    public int KeyValueSize => KeyValueHeads * HeadSize;
}

/// <summary>Causal self-attention with grouped heads over the paged cache.</summary>
internal sealed class SelfAttention(AttentionShape shape, Linear qkv, Linear output, RotaryEmbedding rotary)
{
    /// <summary>Attends with the normed rows x and adds the result to the residual stream.</summary>
    public void ForwardAdd(ForwardContext context, Matrix x, Matrix residual)
    {
        var merged = context.Scratch(Scratch.Qkv, qkv.Outputs);
        qkv.Forward(context, x, merged);
        var queries = merged.SliceColumns(0, shape.QuerySize);
        var keys = merged.SliceColumns(shape.QuerySize, shape.KeyValueSize);
        var values = merged.SliceColumns(shape.QuerySize + shape.KeyValueSize, shape.KeyValueSize);
        rotary.Forward(context, queries);
        rotary.Forward(context, keys);

        var cache = context.Cache[shape.Layer];
        var attended = context.Scratch(Scratch.Attention, shape.QuerySize);
        context.Kernels.StoreKeysValues(keys, values, cache, context.Batch);
        context.Kernels.Attend(queries, cache, context.Batch, shape.Scale, attended);
        output.ForwardAdd(context, attended, residual);
    }
}
