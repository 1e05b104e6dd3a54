using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Quantization;

namespace Beam.Cli.Engine.Bench;

/// <summary>The weights that a token meets in matrix products; an embedding that is only looked up, norms and biases are not counted.</summary>
/// <param name="LayerWeights">Of the layers, for one token: of a mixture the experts that it chooses.</param>
/// <param name="HeadWeights">Of the head, which a prompt needs for its last token only.</param>
/// <param name="AllWeights">Everything in memory, every expert included.</param>
internal sealed record ModelSize(long LayerWeights, long HeadWeights, long AllWeights)
{
    private static readonly string[] Embeddings = ["embed_tokens.weight", "wte.weight"];
    private static readonly string[] LookedUp = ["embed_positions.weight", "wpe.weight", "embed_tokens_per_layer.weight"];

    /// <summary>What only says how the weights of another tensor are to be read.</summary>
    private static readonly string[] Beside = ["scale", "scales", "scale_inv", "qzeros", "zero_point", "g_idx", "weight_shape"];

    /// <summary>Multiplied and read for each token of a decode.</summary>
    public long DecodeWeights => LayerWeights + HeadWeights;

    public static ModelSize Of(string folder)
    {
        var config = ModelConfig.Load(folder, ModelRegistry.Expect);
        using var checkpoint = Checkpoint.Open(folder);
        var (perExpert, wordBits) = (PerExpert(config), WordBits(config));
        double layers = 0;
        long head = 0, embedding = 0, all = 0;
        foreach (var tensor in checkpoint.Tensors)
        {
            if (tensor.Shape.Count < 2 || !Checkpoint.IsOfText(tensor.Name)) continue;
            var count = Weights(checkpoint, tensor, wordBits);
            all += count;
            if (EndsWith(tensor, Embeddings)) embedding = count;
            else if (tensor.Name.Contains("lm_head.", StringComparison.Ordinal)) head += count;
            else if (!EndsWith(tensor, LookedUp)) layers += IsOfExpert(tensor) ? count * perExpert : count;
        }

        return new ModelSize((long)layers, head > 0 ? head : embedding, all);
    }

    /// <summary>What of the weights in memory one token does not read: tables that it is only looked up in, and experts that it does not choose.</summary>
    public static long UnreadBytes(string folder, QuantizationScheme quantization, bool roundToBFloat16)
    {
        var config = ModelConfig.Load(folder, ModelRegistry.Expect);
        using var checkpoint = Checkpoint.Open(folder);
        var (perExpert, hasHead) = (PerExpert(config), checkpoint.Tensors.Any(t => t.Name.Contains("lm_head.", StringComparison.Ordinal)));
        var isTied = !hasHead || config.Flag("tie_word_embeddings", false);
        return (long)checkpoint.Tensors.Where(t => Checkpoint.IsOfText(t.Name)).Sum(tensor =>
            Checkpoint.BytesInMemory(tensor, roundToBFloat16, quantization)
            * (EndsWith(tensor, LookedUp) || (!isTied && EndsWith(tensor, Embeddings)) ? 1 : IsOfExpert(tensor) ? 1 - perExpert : 0));
    }

    private static double PerExpert(ModelConfig config) => config.Has("num_experts") || config.Has("num_local_experts")
        ? (double)config.Count(config.Has("top_k_experts") ? "top_k_experts" : "num_experts_per_tok") / config.Count(config.Has("num_experts") ? "num_experts" : "num_local_experts")
        : 1;

    /// <summary>Of GPTQ and AWQ.</summary>
    private static int WordBits(ModelConfig config) => QuantizationConfig.Read(config) is { Method: "gptq" or "awq" } stored ? stored.Bits(4, 8) : 4;

    private static bool IsOfExpert(TensorView tensor) => tensor.Name.Contains(".experts.", StringComparison.Ordinal);

    private static bool EndsWith(TensorView tensor, string[] ends) => Array.Exists(ends, end => tensor.Name.EndsWith(end, StringComparison.Ordinal));

    /// <summary>The weights that a tensor holds, however many of them are in one of its numbers.</summary>
    private static long Weights(Checkpoint checkpoint, TensorView tensor, int wordBits)
    {
        const string packed = ".weight_packed";
        if (EndsWith(tensor, Beside)) return 0;
        if (tensor.Name.EndsWith(packed, StringComparison.Ordinal) && checkpoint.Get(tensor.Name[..^packed.Length] + ".weight_shape") is { Type: TensorType.Int64 } shape)
            return shape.Elements<long>()[0] * shape.Elements<long>()[1];
        var elements = (long)tensor.Rows * tensor.Columns;
        return tensor.Type switch
        {
            TensorType.Int32 => elements * (32 / wordBits),
            TensorType.UInt8 => elements * 2,
            _ => elements,
        };
    }
}
