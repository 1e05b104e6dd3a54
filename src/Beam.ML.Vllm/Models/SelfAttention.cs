using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>The sizes of an attention layer, its place in the cache, and what it makes of scores.</summary>
internal sealed record AttentionShape(int CacheLayer, int Heads, int KeyValueHeads, int HeadSize)
{
    public int QuerySize => Heads * HeadSize;

    public int KeyValueSize => KeyValueHeads * HeadSize;

    public AttentionOptions Options { get; init; } = new(1 / MathF.Sqrt(HeadSize));

    public AttentionShape Windowed(int? window) => window is { } positions ? this with { Options = Options with { Window = positions } } : this;
}

/// <summary>What the parts of a layer's projection of its input are.</summary>
internal enum Projections
{
    QueriesKeysValues,

    /// <summary>The keys, before norm and rotation, are the values as well.</summary>
    QueriesKeys,

    /// <summary>Keys and values are those that an earlier layer has put in the cache.</summary>
    Queries,
}

/// <summary>Causal self-attention with grouped heads over the paged cache; the projections of the input are merged into one.</summary>
internal sealed class SelfAttention(AttentionShape shape, Linear projection, Linear output, RotaryEmbedding? rotary = null) : ISublayer
{
    public Projections Projections { get; init; }

    /// <summary>Norms of each head, before the rotation.</summary>
    public RmsNorm? QueryNorm { get; init; }

    public RmsNorm? KeyNorm { get; init; }

    public RmsNorm? ValueNorm { get; init; }

    public void Forward(ForwardContext context, Matrix x, Matrix y, bool add)
    {
        var merged = context.Scratch(Scratch.Projections, projection.Outputs);
        projection.Forward(context, x, merged);
        var queries = merged.SliceColumns(0, shape.QuerySize);
        QueryNorm?.Forward(context, queries, queries);
        rotary?.Forward(context, queries);

        var cache = context.Cache[shape.CacheLayer];
        if (Projections != Projections.Queries) StoreKeysValues(context, merged, cache);
        var attended = context.Scratch(Scratch.Attention, shape.QuerySize);
        context.Kernels.Attend(queries, cache, context.Batch, shape.Options, attended);
        output.Forward(context, attended, y, add);
    }

    private void StoreKeysValues(ForwardContext context, Matrix merged, KvCacheLayer cache)
    {
        var keys = merged.SliceColumns(shape.QuerySize, shape.KeyValueSize);
        var values = keys;
        if (Projections == Projections.QueriesKeysValues)
        {
            values = merged.SliceColumns(shape.QuerySize + shape.KeyValueSize, shape.KeyValueSize);
        }
        else
        {
            values = context.Scratch(Scratch.Values, shape.KeyValueSize);
            for (var row = 0; row < keys.Rows; row++) keys.RowSpan(row).CopyTo(values.RowSpan(row));
        }

        ValueNorm?.Forward(context, values, values);
        KeyNorm?.Forward(context, keys, keys);
        rotary?.Forward(context, keys);
        context.Kernels.StoreKeysValues(keys, values, cache, context.Batch);
    }
}
