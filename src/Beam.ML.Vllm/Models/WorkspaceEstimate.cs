using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>
/// The working memory of the largest step, foreseen from config.json before anything is loaded: an upper bound of what
/// <see cref="Workspace"/> and the kernels' own copies of activations grow to. A family that lacks a part leaves its share unused.
/// </summary>
internal static class WorkspaceEstimate
{
    /// <param name="config">The model's.</param>
    /// <param name="shapes">Its cache.</param>
    /// <param name="rows">Tokens of a step.</param>
    /// <param name="logitRows">Rows whose logits are there at a time.</param>
    /// <param name="loraRank">The highest rank of an adapter; 0 for none.</param>
    public static long Bytes(ModelConfig config, IReadOnlyList<KvShape> shapes, int rows, int logitRows, int loraRank = 0)
    {
        long hidden = config.HiddenSize, vocabulary = config.VocabularySize;
        long queries = (long)config.Heads * shapes.Max(s => s.HeadSize), keys = shapes.Max(s => (long)s.Heads * s.HeadSize);
        var inner = (long)config.IntermediateSize * (config.Flag("use_double_wide_mlp", false) ? 2 : 1);
        if (config.Has("moe_intermediate_size")) inner = Math.Max(inner, config.Count("moe_intermediate_size"));
        var experts = Math.Max(config.Count("num_experts"), config.Count("num_local_experts"));
        var perLayer = (long)config.Layers * config.Count("hidden_size_per_layer_input");
        var widest = Math.Max(Math.Max(hidden, queries), inner);
        var row = (3 * hidden)
            + queries + (2 * keys) // Projections
            + Math.Max(keys, hidden) // Values
            + Math.Max(queries, hidden) // Attention
            + Math.Max(2 * inner, perLayer) + inner // GateUp, Activated
            + perLayer
            + (experts > 0 ? experts + (3 * hidden) : 0)
            + (2 * widest) // Rows as the kernels read them, of plain weights and of quantized ones.
            + (loraRank > 0 ? (2 * widest) + queries + (2 * keys) + (2 * inner) + loraRank : 0);
        return sizeof(float) * ((rows * row) + (logitRows * (vocabulary + hidden)));
    }
}
