using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>GPT-2: learned positions, layer norms, biases everywhere, weights stored as [inputs, outputs].</summary>
internal static class GPT2LMHeadModel
{
    public static DecoderModel Build(LayerFactory make)
    {
        var config = make.Config;
        config.Expect("add_cross_attention", false);
        var epsilon = config.Float("layer_norm_epsilon", 1e-5f);
        var embedding = make.Embedding("transformer.wte");
        var layers = new List<ILayer> { make.Positions("transformer.wpe", first: 0) };
        for (var i = 0; i < config.Layers; i++)
        {
            var (name, shape) = ($"transformer.h.{i}", Shape(make, i));
            var attention = new SelfAttention(
                shape,
                make.TransposedLinear($"{name}.attn.c_attn", config.HiddenSize, shape.QuerySize + (2 * shape.KeyValueSize)),
                make.TransposedLinear($"{name}.attn.c_proj", shape.QuerySize, config.HiddenSize));
            var mlp = new Mlp(
                make.TransposedLinear($"{name}.mlp.c_fc", config.HiddenSize, config.IntermediateSize),
                make.TransposedLinear($"{name}.mlp.c_proj", config.IntermediateSize, config.HiddenSize),
                make.Activation("activation_function", Activation.GeluTanh));
            layers.Add(new ResidualBlock(make.LayerNorm($"{name}.ln_1", epsilon), attention));
            layers.Add(new ResidualBlock(make.LayerNorm($"{name}.ln_2", epsilon), mlp));
        }

        var vocabulary = config.Flag("tie_word_embeddings", true)
            ? embedding.TiedHead()
            : make.Head("lm_head", config.HiddenSize);
        return new DecoderModel(embedding, [.. layers], new DecoderHead(make.LayerNorm("transformer.ln_f", epsilon), vocabulary), make.Weights.TakeOwned());
    }

    private static AttentionShape Shape(LayerFactory make, int layer)
    {
        var (config, shape) = (make.Config, make.Shape(layer));
        var scale = config.Flag("scale_attn_weights", true) ? shape.Options.Scale : 1;
        if (config.Flag("scale_attn_by_inverse_layer_idx", false)) scale /= layer + 1;
        return shape with { Options = shape.Options with { Scale = scale } };
    }
}
