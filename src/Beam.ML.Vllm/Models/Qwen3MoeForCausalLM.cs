using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Qwen 3 with experts in place of the MLP in all layers but those that config.json names.</summary>
internal static class Qwen3MoeForCausalLM
{
    public static DecoderModel Build(LayerFactory make)
    {
        var (config, rotary, dense) = (make.Config, make.Rotary(), make.Config.Numbers("mlp_only_layers"));
        var step = config.Has("decoder_sparse_step") ? config.Size("decoder_sparse_step", 10_000) : 1;
        return make.Decoder((i, name) =>
        {
            var hasExperts = !dense.Contains(i) && (i + 1) % step == 0;
            ISublayer mlp = hasExperts ? Experts(make, $"{name}.mlp") : make.GatedMlp($"{name}.mlp", make.Activation("hidden_act", Activation.Silu));
            return [Qwen3ForCausalLM.Attention(make, i, name, rotary), new ResidualBlock(make.RmsNorm($"{name}.post_attention_layernorm"), mlp)];
        });
    }

    private static MixtureOfExperts Experts(LayerFactory make, string name)
    {
        var config = make.Config;
        var size = config.Size("moe_intermediate_size", 1 << 22);
        return make.Experts(
            make.Router($"{name}.gate"),
            config.Flag("norm_topk_prob", false),
            expert => make.GatedMlp($"{name}.experts.{expert}", make.Activation("hidden_act", Activation.Silu), size));
    }
}
