using Beam.ML.Vllm.Weights;

namespace Beam.Cli.Engine.Bench;

/// <summary>The weights that a token meets in matrix products; an embedding that is only looked up, norms and biases are not counted.</summary>
/// <param name="LayerWeights">Of the layers, for one token: of a mixture the experts that it chooses.</param>
/// <param name="HeadWeights">Of the head, which a prompt needs for its last token only.</param>
/// <param name="AllWeights">Everything in memory, every expert included.</param>
/// <param name="Stored">What the checkpoint stores them in.</param>
internal sealed record ModelSize(long LayerWeights, long HeadWeights, long AllWeights, TensorType Stored)
{
    private static readonly string[] Embeddings = ["embed_tokens.weight", "wte.weight"];
    private static readonly string[] LookedUp = ["embed_positions.weight", "wpe.weight", "embed_tokens_per_layer.weight"];
    private static readonly string[] NotText = ["vision_tower.", "multi_modal_projector.", "audio_tower.", "embed_vision.", "embed_audio."];

    /// <summary>Multiplied and read for each token of a decode.</summary>
    public long DecodeWeights => LayerWeights + HeadWeights;

    public static ModelSize Of(string folder)
    {
        var config = ModelConfig.Load(folder);
        using var checkpoint = Checkpoint.Open(folder);
        var perExpert = config.Has("num_experts") || config.Has("num_local_experts")
            ? (double)config.Count(config.Has("top_k_experts") ? "top_k_experts" : "num_experts_per_tok") / config.Count(config.Has("num_experts") ? "num_experts" : "num_local_experts")
            : 1;
        double layers = 0, head = 0, embedding = 0;
        long all = 0, largest = 0;
        var stored = TensorType.BFloat16;
        foreach (var tensor in checkpoint.Tensors)
        {
            var count = (long)tensor.Rows * tensor.Columns;
            if (tensor.Shape.Count < 2 || Array.Exists(NotText, n => tensor.Name.Contains(n, StringComparison.Ordinal))) continue;
            all += count;
            if (count > largest) (largest, stored) = (count, tensor.Type);
            if (Array.Exists(Embeddings, n => tensor.Name.EndsWith(n, StringComparison.Ordinal))) embedding = count;
            else if (tensor.Name.EndsWith("lm_head.weight", StringComparison.Ordinal)) head = count;
            else if (!Array.Exists(LookedUp, n => tensor.Name.EndsWith(n, StringComparison.Ordinal)))
                layers += tensor.Name.Contains(".experts.", StringComparison.Ordinal) ? count * perExpert : count;
        }

        return new ModelSize((long)layers, (long)(head > 0 ? head : embedding), all, stored);
    }
}
