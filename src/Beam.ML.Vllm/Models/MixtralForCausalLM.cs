using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Mixtral: Mistral with experts in place of the MLP.</summary>
internal static class MixtralForCausalLM
{
    public static DecoderModel Build(LayerFactory make)
    {
        var (config, rotary) = (make.Config, make.Rotary());
        return make.Decoder((i, name) =>
        {
            var shape = make.Shape(i).Windowed(make.Window(i, _ => config.Has("sliding_window")));
            return
            [
                new ResidualBlock(make.RmsNorm($"{name}.input_layernorm"), make.Attention($"{name}.self_attn", shape, rotary)),
                new ResidualBlock(make.RmsNorm($"{name}.post_attention_layernorm"), Experts(make, $"{name}.block_sparse_moe")),
            ];
        });
    }

    private static MixtureOfExperts Experts(LayerFactory make, string name)
    {
        var config = make.Config;
        var (hidden, size) = (config.HiddenSize, config.IntermediateSize);
        return make.Experts(make.Router($"{name}.gate"), normalize: true, expert => new GatedMlp(
            make.Linear(hidden, bias: false, ($"{name}.experts.{expert}.w1", size), ($"{name}.experts.{expert}.w3", size)),
            make.Linear($"{name}.experts.{expert}.w2", size, hidden),
            make.Activation("hidden_act", Activation.Silu)));
    }
}
