using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>
/// Gemma 3, the text part of multimodal folders included: Gemma 2 with norms of each head in place of the caps, five layers with a window
/// to one without, and another base of rotation for each of the two.
/// </summary>
internal static class Gemma3ForCausalLM
{
    public static DecoderModel Build(LayerFactory make)
    {
        var config = make.Config;
        RotaryEmbedding near = make.Rotary(ModelConfig.Sliding), far = make.Rotary(ModelConfig.Full);
        var pattern = config.Has("sliding_window_pattern") ? config.Size("sliding_window_pattern", 1000) : 6;
        var bias = config.Flag("attention_bias", false);
        var options = new AttentionOptions(1 / MathF.Sqrt(config.Float("query_pre_attn_scalar", 256)), SoftCap: config.Float("attn_logit_softcapping", 0));
        return make.Decoder(
            (i, name) =>
            {
                var window = make.Window(i, layer => (layer + 1) % pattern != 0);
                var shape = (make.Shape(i) with { Options = options }).Windowed(window);
                var rotary = window is null ? far : near;
                return Gemma2ForCausalLM.Layer(make, name, make.Attention($"{name}.self_attn", shape, rotary, bias, outputBias: bias, headNorms: true, normOffset: 1));
            },
            tied: true,
            embeddingScale: MathF.Sqrt(config.HiddenSize),
            normOffset: 1);
    }
}
