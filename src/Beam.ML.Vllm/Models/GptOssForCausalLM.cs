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
        var gateUpBias = weights.Get($"{name}.experts.gate_up_proj_bias").Require(count, 2 * size);
        var downBias = weights.Get($"{name}.experts.down_proj_bias").Require(count, hidden);
        var gateUp = Parts(make, $"{name}.experts.gate_up_proj", 2 * size, hidden, isInterleaved: true);
        var down = Parts(make, $"{name}.experts.down_proj", hidden, size, isInterleaved: false);
        return make.Experts(make.Router($"{name}.router", bias: true), normalize: true, expert => new GatedMlp(
            new Linear(weights.Pack(hidden, gateUp(expert)), weights.Biases(new WeightPart(gateUpBias.Slice(expert), 2 * size, IsInterleaved: true))),
            new Linear(weights.Pack(size, down(expert)), weights.Vector(downBias.Slice(expert), hidden)),
            activation));
    }

    /// <summary>The weights of each expert: as published, in MXFP4, or plain, then [inputs, outputs].</summary>
    private static Func<int, WeightPart> Parts(LayerFactory make, string name, int outputs, int inputs, bool isInterleaved)
    {
        var (weights, count) = (make.Weights, make.ExpertCount);
        if (weights.Mxfp4Experts(name, count, outputs, inputs) is { } quantized) return expert => new WeightPart(quantized[expert], isInterleaved);
        var plain = weights.Get(name).Require(count, inputs, outputs);
        return expert => new WeightPart(plain.Slice(expert), outputs, IsTransposed: true, isInterleaved);
    }
}
