using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>Qwen 2 and 2.5: Llama with biases on queries, keys and values.</summary>
internal static class Qwen2ForCausalLM
{
    public static DecoderModel Build(LayerFactory make)
    {
        var rotary = make.Rotary();
        return make.Decoder((i, name) =>
        [
            new ResidualBlock(make.RmsNorm($"{name}.input_layernorm"), make.Attention($"{name}.self_attn", Shape(make, i), rotary, bias: true)),
            new ResidualBlock(make.RmsNorm($"{name}.post_attention_layernorm"), make.GatedMlp($"{name}.mlp", make.Activation("hidden_act", Activation.Silu))),
        ]);
    }

    /// <summary>Where windows are on at all, layers from max_window_layers on have one.</summary>
    public static AttentionShape Shape(LayerFactory make, int layer) => make.Shape(layer).Windowed(make.Window(layer, i => IsSliding(make.Config, i)));

    public static bool IsSliding(ModelConfig config, int layer) =>
        config.Flag("use_sliding_window", false) && config.Has("sliding_window") && layer >= (config.Has("max_window_layers") ? config.Count("max_window_layers") : 28);
}
