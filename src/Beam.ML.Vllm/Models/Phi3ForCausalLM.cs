using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Phi-3 and Phi-4: Llama with projections merged as stored, heads that may turn in part, and a window in some releases.</summary>
internal static class Phi3ForCausalLM
{
    public static DecoderModel Build(LayerFactory make)
    {
        var (config, rotary) = (make.Config, make.Rotary());
        return make.Decoder((i, name) =>
        {
            var shape = make.Shape(i).Windowed(make.Window(i, _ => config.Has("sliding_window")));
            var attention = new SelfAttention(
                shape,
                make.Linear($"{name}.self_attn.qkv_proj", config.HiddenSize, shape.QuerySize + (2 * shape.KeyValueSize)),
                make.Linear($"{name}.self_attn.o_proj", shape.QuerySize, config.HiddenSize),
                rotary);
            var mlp = new GatedMlp(
                make.Linear($"{name}.mlp.gate_up_proj", config.HiddenSize, 2 * config.IntermediateSize),
                make.Linear($"{name}.mlp.down_proj", config.IntermediateSize, config.HiddenSize),
                make.Activation("hidden_act", Activation.Silu));
            return
            [
                new ResidualBlock(make.RmsNorm($"{name}.input_layernorm"), attention),
                new ResidualBlock(make.RmsNorm($"{name}.post_attention_layernorm"), mlp),
            ];
        });
    }
}
