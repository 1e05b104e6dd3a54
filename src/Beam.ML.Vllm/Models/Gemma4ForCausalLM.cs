using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>
/// Gemma 4, the text part of multimodal folders included: Gemma 3 with plain norms, unscaled scores, and what its sizes add: an input for
/// each layer (small), keys that are values as well in layers without a window (large), experts beside the MLP (mixture).
/// </summary>
internal static class Gemma4ForCausalLM
{
    public static IReadOnlyList<KvShape> KvShapes(ModelConfig config) =>
        [.. Enumerable.Range(0, Gemma4Layout.OwnCaches(config)).Select(i => Gemma4Layout.KvShape(config, i))];

    public static DecoderModel Build(LayerFactory make)
    {
        var config = make.Config;
        RotaryEmbedding near = make.Rotary(ModelConfig.Sliding, Gemma4Layout.HeadSize(config, sliding: true));
        RotaryEmbedding far = make.Rotary(ModelConfig.Full, Gemma4Layout.HeadSize(config, sliding: false));
        var perLayer = config.Count("hidden_size_per_layer_input") > 0 ? PerLayerInputs.Create(make) : null;
        return make.Decoder(
            (i, name) => Layer(make, i, name, Gemma4Layout.IsSliding(config, i) ? near : far, perLayer),
            tied: true,
            embeddingScale: MathF.Sqrt(config.HiddenSize),
            inputs: perLayer is null ? [] : [perLayer]);
    }

    private static IEnumerable<ILayer> Layer(LayerFactory make, int layer, string name, RotaryEmbedding rotary, PerLayerInputs? perLayer)
    {
        var config = make.Config;
        yield return new ResidualBlock(
            make.RmsNorm($"{name}.input_layernorm"), Attention(make, layer, $"{name}.self_attn", rotary), make.RmsNorm($"{name}.post_attention_layernorm"));

        var isWide = config.Flag("use_double_wide_mlp", false) && layer >= Gemma4Layout.OwnCaches(config);
        var mlp = make.GatedMlp($"{name}.mlp", make.Activation("hidden_activation", Activation.GeluTanh), (isWide ? 2 : 1) * config.IntermediateSize);
        INorm before = make.RmsNorm($"{name}.pre_feedforward_layernorm"), after = make.RmsNorm($"{name}.post_feedforward_layernorm");
        yield return config.Flag("enable_moe_block", false)
            ? new ResidualBlock(before: null, Experts(make, name, before, mlp), after)
            : new ResidualBlock(before, mlp, after);

        if (perLayer is not null)
            yield return new ResidualBlock(before: null, perLayer.Layer(make, layer, name), make.RmsNorm($"{name}.post_per_layer_input_norm"));
        yield return new ScaledLayer(make.Weights.Get($"{name}.layer_scalar").Require(1).ToArray()[0]);
    }

    private static SelfAttention Attention(LayerFactory make, int layer, string name, RotaryEmbedding rotary)
    {
        var config = make.Config;
        var isSliding = Gemma4Layout.IsSliding(config, layer);
        var (keyValueHeads, headSize) = Gemma4Layout.KvShape(config, layer);
        var shape = new AttentionShape(Gemma4Layout.Cache(config, layer), config.Heads, keyValueHeads, headSize) { Options = new AttentionOptions(1) }
            .Windowed(isSliding ? config.Size("sliding_window", 1 << 30) : null);
        var projections = layer >= Gemma4Layout.OwnCaches(config) ? Projections.Queries
            : config.Flag("attention_k_eq_v", false) && !isSliding ? Projections.QueriesKeys
            : Projections.QueriesKeysValues;
        (string, int) queries = ($"{name}.q_proj", shape.QuerySize), keys = ($"{name}.k_proj", shape.KeyValueSize), values = ($"{name}.v_proj", shape.KeyValueSize);
        var bias = config.Flag("attention_bias", false);
        var projection = projections switch
        {
            Projections.Queries => make.Linear(config.HiddenSize, bias, queries),
            Projections.QueriesKeys => make.Linear(config.HiddenSize, bias, queries, keys),
            _ => make.Linear(config.HiddenSize, bias, queries, keys, values),
        };
        var hasKeys = projections != Projections.Queries;
        return new SelfAttention(shape, projection, make.Linear($"{name}.o_proj", shape.QuerySize, config.HiddenSize, bias), rotary)
        {
            Projections = projections,
            QueryNorm = make.RmsNorm($"{name}.q_norm", headSize),
            KeyNorm = hasKeys ? make.RmsNorm($"{name}.k_norm", headSize) : null,
            ValueNorm = hasKeys ? new RmsNorm(make.Weights.Constant(headSize, 1), config.RmsNormEpsilon) : null,
        };
    }

    private static DenseAndExperts Experts(LayerFactory make, string name, INorm beforeMlp, GatedMlp mlp)
    {
        var (config, weights, count) = (make.Config, make.Weights, make.ExpertCount);
        var (hidden, size) = (config.HiddenSize, config.Size("moe_intermediate_size", 1 << 22));
        var gateUp = weights.Get($"{name}.experts.gate_up_proj").Require(count, 2 * size, hidden);
        var down = weights.Get($"{name}.experts.down_proj").Require(count, hidden, size);

        // The router's features are normed and scaled: one norm with that scale as its weight.
        var routerNorm = new RmsNorm(weights.Vector(weights.Get($"{name}.router.scale"), hidden, scale: 1 / MathF.Sqrt(hidden)), config.RmsNormEpsilon);
        var experts = make.Experts(
            make.Router($"{name}.router.proj"),
            normalize: true,
            expert => new GatedMlp(
                new Linear(weights.Pack(hidden, new WeightPart(gateUp.Slice(expert), 2 * size))),
                new Linear(weights.Pack(size, new WeightPart(down.Slice(expert), hidden))),
                make.Activation("hidden_activation", Activation.GeluTanh)),
            weights.Get($"{name}.router.per_expert_scale").Require(count).ToArray());
        return new DenseAndExperts(
            beforeMlp, mlp, make.RmsNorm($"{name}.post_feedforward_layernorm_1"),
            routerNorm, make.RmsNorm($"{name}.pre_feedforward_layernorm_2"), experts, make.RmsNorm($"{name}.post_feedforward_layernorm_2"));
    }
}
