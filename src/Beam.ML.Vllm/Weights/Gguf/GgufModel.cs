using System.Globalization;
using Beam.ML.Vllm.Models;

namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>What a family puts together: metadata and tensors under llama.cpp's names, and what the result cannot do.</summary>
internal sealed class GgufModel(ModelConfig config, Checkpoint checkpoint, string architecture, GgufType type)
{
    public ModelConfig Config => config;

    public string Architecture => architecture;

    public GgufMetadata Metadata { get; } = new();

    public List<GgufTensor> Tensors { get; } = [];

    /// <summary>What llama.cpp will compute differently.</summary>
    public List<string> Warnings { get; } = [];

    public int Experts => config.Size(config.Has("num_experts") ? "num_experts" : "num_local_experts", 1 << 16);

    public TensorView Source(string name) => checkpoint.Get(checkpoint.Find(name) ?? name);

    public bool Has(string name) => checkpoint.Find(name) is not null;

    public void Key(string name, int value) => Metadata.Add($"{architecture}.{name}", value);

    public void Key(string name, float value) => Metadata.Add($"{architecture}.{name}", value);

    public void Key(string name, string value) => Metadata.Add($"{architecture}.{name}", value);

    /// <summary>The sizes that every decoder has.</summary>
    public void Sizes(bool rmsNorm = true)
    {
        Key("vocab_size", config.VocabularySize);
        Key("context_length", config.MaxPositions);
        Key("embedding_length", config.HiddenSize);
        Key("block_count", config.Layers);
        Key("feed_forward_length", config.IntermediateSize);
        Key("attention.head_count", config.Heads);
        Key("attention.head_count_kv", config.KeyValueHeads);
        Key("attention.key_length", config.HeadSize);
        Key("attention.value_length", config.HeadSize);
        if (rmsNorm) Key("attention.layer_norm_rms_epsilon", config.RmsNormEpsilon);
    }

    public void MixtureSizes(int size)
    {
        Key("expert_count", Experts);
        Key("expert_used_count", config.Size("num_experts_per_tok", Experts));
        Key("expert_feed_forward_length", size);
    }

    /// <summary>The base of the frequencies, and the kinds of scaling that llama.cpp has keys or tensors for.</summary>
    public void Rope(RopeParameters rope)
    {
        var rotated = (int)(config.HeadSize * rope.PartialRotaryFactor);
        Key("rope.dimension_count", rotated);
        Key("rope.freq_base", rope.Theta);
        switch (rope.Type)
        {
            case "default":
                break;
            case "linear":
                Key("rope.scaling.type", "linear");
                Key("rope.scaling.factor", rope.Factor ?? 1);
                break;
            case "llama3":
                // llama.cpp divides each frequency by a factor of the file.
                var scaled = RotaryFrequencies.Compute(config, rope, config.HeadSize, config.MaxPositions).Inverse;
                var plain = RotaryFrequencies.Compute(config, rope with { Type = "default" }, config.HeadSize, config.MaxPositions).Inverse;
                Vector("rope_freqs.weight", [.. plain.Zip(scaled, (a, b) => a / b)]);
                break;
            case "yarn":
                Key("rope.scaling.type", "yarn");
                Key("rope.scaling.factor", rope.Factor ?? 1);
                Key("rope.scaling.original_context_length", (int)rope.OriginalMaxPositions);
                Key("rope.scaling.yarn_beta_fast", rope.BetaFast);
                Key("rope.scaling.yarn_beta_slow", rope.BetaSlow);
                if (!rope.Truncate) Warnings.Add("llama.cpp rounds the bounds of YaRN's ramp to whole features, which this model does not: its numbers differ slightly.");
                break;
            case "longrope" or "su":
                Key("rope.scaling.original_context_length", (int)rope.OriginalMaxPositions);
                Key("rope.scaling.attn_factor", RotaryFrequencies.Compute(config, rope, config.HeadSize, (int)rope.OriginalMaxPositions).Scale);
                Vector("rope_factors_long.weight", rope.LongFactors);
                Vector("rope_factors_short.weight", rope.ShortFactors);
                break;
            default:
                throw config.Wrong("rope scaling", $"is of type '{rope.Type}', which GGUF has nothing for");
        }
    }

    /// <summary>A window in all layers, which llama.cpp has not for this architecture.</summary>
    public void WarnOfWindow()
    {
        if (config.Has("sliding_window") && Enumerable.Range(0, config.Layers).Any(i => config.IsSliding(i, _ => true)) && config.Size("sliding_window", 1 << 30) < config.MaxPositions)
            Warnings.Add(string.Create(CultureInfo.InvariantCulture, $"llama.cpp has no sliding window for the architecture {architecture}: texts of over {config.Size("sliding_window", 1 << 30)} tokens are computed differently."));
    }

    /// <summary>Embedding, last norm and head, by the names that Llama has given them.</summary>
    public void EmbeddingAndHead(bool tied = false, float normOffset = 0)
    {
        Matrix("token_embd.weight", "model.embed_tokens.weight");
        Norm("output_norm.weight", "model.norm.weight", normOffset);
        if (!config.Flag("tie_word_embeddings", tied)) Matrix("output.weight", "lm_head.weight");
    }

    public void Matrix(string name, string from) => Matrix(name, Source(from));

    public void Matrix(string name, TensorView from) => Add(name, [from.Rows, from.Columns], from.ReadRow);

    /// <summary>Rows of another tensor in another order, or some of them.</summary>
    public void Rows(string name, TensorView from, int rows, Func<int, int> row) =>
        Add(name, [rows, from.Columns], (i, target) => from.ReadRow(row(i), target));

    /// <summary>A matrix that is stored the other way round.</summary>
    public void Transposed(string name, TensorView from) =>
        Add(name, [from.Columns, from.Rows], (row, target) => ReadColumn(from, row, target));

    /// <summary>One matrix for each expert, stacked.</summary>
    public void Stacked(string name, IReadOnlyList<TensorView> parts)
    {
        var rows = parts[0].Rows;
        if (parts.FirstOrDefault(p => p.Rows != rows || p.Columns != parts[0].Columns) is { } other) other.Require(parts[0].Rows, parts[0].Columns);
        Add(name, [parts.Count, rows, parts[0].Columns], (row, target) => parts[row / rows].ReadRow(row % rows, target));
    }

    public static void ReadColumn(TensorView from, int column, Span<float> target)
    {
        for (var i = 0; i < target.Length; i++) from.ReadRow(i, column, target.Slice(i, 1));
    }

    /// <summary>A vector of the checkpoint, with an offset added and multiplied then.</summary>
    public void Norm(string name, string from, float offset = 0, float scale = 1) =>
        Vector(name, [.. Source(from).ToArray().Select(v => (v + offset) * scale)]);

    public void Bias(string name, string from) => Norm(name, from);

    /// <summary>A bias that some checkpoints of the family have.</summary>
    public void OptionalBias(string name, string from)
    {
        if (Has(from)) Bias(name, from);
    }

    public void Vector(string name, float[] values) => Add(name, [values.Length], (_, target) => values.CopyTo(target));

    public void Add(string name, long[] shape, GgufRows read) => Tensors.Add(new GgufTensor(name, shape, TypeOf(name, shape), read));

    /// <summary>What decides much and takes little stays exact.</summary>
    private GgufType TypeOf(string name, long[] shape)
    {
        if (shape.Length == 1 || name.EndsWith(".bias", StringComparison.Ordinal) || name.EndsWith("ffn_gate_inp.weight", StringComparison.Ordinal) || name == "position_embd.weight")
            return GgufType.F32;
        return type == GgufType.Q8_0 && shape[^1] % GgufFormat.BlockSize != 0 ? GgufType.F16 : type;
    }
}
