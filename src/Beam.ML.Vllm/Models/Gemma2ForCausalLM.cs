using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Gemma 2: Gemma with norms after attention and MLP too, soft caps, and a window in every other layer.</summary>
internal static class Gemma2ForCausalLM
{
    public static DecoderModel Build(LayerFactory make)
    {
        var (config, rotary) = (make.Config, make.Rotary());
        var bias = config.Flag("attention_bias", false);
        var options = new AttentionOptions(1 / MathF.Sqrt(config.Float("query_pre_attn_scalar", 256)), SoftCap: config.Float("attn_logit_softcapping", 0));
        return make.Decoder(
            (i, name) =>
            {
                var shape = (make.Shape(i) with { Options = options }).Windowed(make.Window(i, layer => layer % 2 == 0));
                return Layer(make, name, make.Attention($"{name}.self_attn", shape, rotary, bias, outputBias: bias));
            },
            tied: true,
            embeddingScale: MathF.Sqrt(config.HiddenSize),
            normOffset: 1);
    }

    /// <summary>Norms before and after attention and MLP, which Gemma 3 has as well.</summary>
    public static IEnumerable<ILayer> Layer(LayerFactory make, string name, SelfAttention attention) =>
    [
        new ResidualBlock(
            make.RmsNorm($"{name}.input_layernorm", offset: 1), attention, make.RmsNorm($"{name}.post_attention_layernorm", offset: 1)),
        new ResidualBlock(
            make.RmsNorm($"{name}.pre_feedforward_layernorm", offset: 1),
            make.GatedMlp($"{name}.mlp", make.Activation("hidden_activation", Activation.GeluTanh)),
            make.RmsNorm($"{name}.post_feedforward_layernorm", offset: 1)),
    ];
}
