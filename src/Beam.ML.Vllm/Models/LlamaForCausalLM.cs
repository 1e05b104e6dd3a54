using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Llama 2, 3 and 3.x, and Mistral, which adds a window in some releases: RMS norms, rotation, SwiGLU.</summary>
internal static class LlamaForCausalLM
{
    public static DecoderModel Build(LayerFactory make)
    {
        var (config, rotary) = (make.Config, make.Rotary());
        bool bias = config.Flag("attention_bias", false), mlpBias = config.Flag("mlp_bias", false);
        return make.Decoder((i, name) =>
        {
            var shape = make.Shape(i).Windowed(make.Window(i, _ => config.Has("sliding_window")));
            return
            [
                new ResidualBlock(make.RmsNorm($"{name}.input_layernorm"), make.Attention($"{name}.self_attn", shape, rotary, bias, outputBias: bias)),
                new ResidualBlock(make.RmsNorm($"{name}.post_attention_layernorm"), make.GatedMlp($"{name}.mlp", make.Activation("hidden_act", Activation.Silu), bias: mlpBias)),
            ];
        });
    }
}
