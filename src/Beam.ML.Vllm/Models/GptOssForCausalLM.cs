using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>
/// gpt-oss: heads with sinks, a window in every other layer, biases everywhere, and experts whose gate and up are stored in turns, as
/// [inputs, outputs], with a SwiGLU that is clamped.
/// </summary>
internal static class GptOssForCausalLM
{
    public static DecoderModel Build(LayerFactory make)
    {
        var (config, rotary) = (make.Config, make.Rotary());
        var bias = config.Flag("attention_bias", true);
        return make.Decoder((i, name) =>
        {
            var shape = make.Shape(i).Windowed(make.Window(i, layer => layer % 2 == 0));
            var sinks = make.Weights.Vector(make.Weights.Get($"{name}.self_attn.sinks"), shape.Heads);
            shape = shape with { Options = shape.Options with { Sinks = sinks } };
            return
            [
                new ResidualBlock(make.RmsNorm($"{name}.input_layernorm"), make.Attention($"{name}.self_attn", shape, rotary, bias, outputBias: bias)),
                new ResidualBlock(make.RmsNorm($"{name}.post_attention_layernorm"), Experts(make, $"{name}.mlp")),
            ];
        });
    }

    private static MixtureOfExperts Experts(LayerFactory make, string name)
    {
        var (config, weights, count) = (make.Config, make.Weights, make.ExpertCount);
        var (hidden, size) = (config.HiddenSize, config.IntermediateSize);
        var activation = new Activation(ActivationKind.ClampedSwiGlu, config.Float("swiglu_alpha", 1.702f), config.Float("swiglu_limit", 7));
        var gateUp = weights.Get($"{name}.experts.gate_up_proj").Require(count, hidden, 2 * size);
        var gateUpBias = weights.Get($"{name}.experts.gate_up_proj_bias").Require(count, 2 * size);
        var down = weights.Get($"{name}.experts.down_proj").Require(count, size, hidden);
        var downBias = weights.Get($"{name}.experts.down_proj_bias").Require(count, hidden);
        return make.Experts(make.Linear($"{name}.router", hidden, count, bias: true), normalize: true, expert => new GatedMlp(
            new Linear(
                weights.Pack(hidden, new WeightPart(gateUp.Slice(expert), 2 * size, IsTransposed: true, IsInterleaved: true)),
                weights.Biases(new WeightPart(gateUpBias.Slice(expert), 2 * size, IsInterleaved: true))),
            new Linear(
                weights.Pack(size, new WeightPart(down.Slice(expert), hidden, IsTransposed: true)),
                weights.Vector(downBias.Slice(expert), hidden)),
            activation));
    }
}
