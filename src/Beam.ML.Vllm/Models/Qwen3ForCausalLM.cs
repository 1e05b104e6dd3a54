using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Qwen 3: Llama with norms of each head's queries and keys.</summary>
internal static class Qwen3ForCausalLM
{
    public static DecoderModel Build(LayerFactory make)
    {
        var rotary = make.Rotary();
        return make.Decoder((i, name) =>
        [
            Attention(make, i, name, rotary),
            new ResidualBlock(make.RmsNorm($"{name}.post_attention_layernorm"), make.GatedMlp($"{name}.mlp", make.Activation("hidden_act", Activation.Silu))),
        ]);
    }

    /// <summary>The attention block, which Qwen3-MoE has as well.</summary>
    public static ResidualBlock Attention(LayerFactory make, int layer, string name, RotaryEmbedding rotary)
    {
        var bias = make.Config.Flag("attention_bias", false);
        var attention = make.Attention($"{name}.self_attn", Qwen2ForCausalLM.Shape(make, layer), rotary, bias, outputBias: bias, headNorms: true);
        return new ResidualBlock(make.RmsNorm($"{name}.input_layernorm"), attention);
    }
}
