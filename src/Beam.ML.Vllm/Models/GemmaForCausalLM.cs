using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Gemma 1 and 1.1: scaled embeddings, norms stored as the distance from one, GeGLU, a head tied to the embeddings.</summary>
internal static class GemmaForCausalLM
{
    public static DecoderModel Build(LayerFactory make)
    {
        var rotary = make.Rotary();
        var bias = make.Config.Flag("attention_bias", false);
        return make.Decoder(
            (i, name) =>
            [
                new ResidualBlock(make.RmsNorm($"{name}.input_layernorm", offset: 1), make.Attention($"{name}.self_attn", make.Shape(i), rotary, bias, outputBias: bias)),
                new ResidualBlock(make.RmsNorm($"{name}.post_attention_layernorm", offset: 1), make.GatedMlp($"{name}.mlp", make.Activation("hidden_activation", Activation.GeluTanh))),
            ],
            tied: true,
            embeddingScale: MathF.Sqrt(make.Config.HiddenSize),
            normOffset: 1);
    }
}
