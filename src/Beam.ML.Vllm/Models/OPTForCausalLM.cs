using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>OPT: learned positions, layer norms before (or, in one size, after) attention and MLP, and embeddings that may be narrower.</summary>
internal static class OPTForCausalLM
{
    private const float Epsilon = 1e-5f;

    /// <summary>The table of positions starts with two rows that no position uses.</summary>
    private const int FirstPosition = 2;

    public static DecoderModel Build(LayerFactory make)
    {
        var config = make.Config;
        config.Expect("layer_norm_elementwise_affine", true);
        var embedding = Embedding(make, out var embeddingSize);
        var normsFirst = config.Flag("do_layer_norm_before", true);
        var layers = new List<ILayer> { make.Positions("model.decoder.embed_positions", FirstPosition) };
        for (var i = 0; i < config.Layers; i++)
        {
            var name = $"model.decoder.layers.{i}";
            layers.Add(Block(make.LayerNorm($"{name}.self_attn_layer_norm", Epsilon), Attention(make, i, $"{name}.self_attn"), normsFirst));
            layers.Add(Block(make.LayerNorm($"{name}.final_layer_norm", Epsilon), Mlp(make, name), normsFirst));
        }

        var hasNorm = normsFirst && !config.Flag("_remove_final_layer_norm", false);
        var head = new DecoderHead(
            hasNorm ? make.LayerNorm("model.decoder.final_layer_norm", Epsilon) : null,
            config.Flag("tie_word_embeddings", true) ? embedding.TiedHead() : make.Head("lm_head", embeddingSize))
        {
            Projection = embeddingSize == config.HiddenSize ? null : make.Linear("model.decoder.project_out", config.HiddenSize, embeddingSize),
        };
        return new DecoderModel(embedding, [.. layers], head, make.Weights.TakeOwned());
    }

    private static TokenEmbedding Embedding(LayerFactory make, out int size)
    {
        var config = make.Config;
        size = config.Has("word_embed_proj_dim") ? config.Size("word_embed_proj_dim", 1 << 20) : config.HiddenSize;
        var table = make.EmbeddingTable("model.decoder.embed_tokens", size, config.VocabularySize);
        return new TokenEmbedding(table, projection: size == config.HiddenSize ? null : make.Linear("model.decoder.project_in", size, config.HiddenSize));
    }

    private static SelfAttention Attention(LayerFactory make, int layer, string name)
    {
        var (config, shape) = (make.Config, make.Shape(layer));
        var bias = config.Flag("enable_bias", true);
        var projection = make.Linear(
            config.HiddenSize, bias, ($"{name}.q_proj", shape.QuerySize), ($"{name}.k_proj", shape.KeyValueSize), ($"{name}.v_proj", shape.KeyValueSize));
        return new SelfAttention(shape, projection, make.Linear($"{name}.out_proj", shape.QuerySize, config.HiddenSize, bias));
    }

    private static Mlp Mlp(LayerFactory make, string name)
    {
        var config = make.Config;
        var bias = config.Flag("enable_bias", true);
        return new Mlp(
            make.Linear($"{name}.fc1", config.HiddenSize, config.IntermediateSize, bias),
            make.Linear($"{name}.fc2", config.IntermediateSize, config.HiddenSize, bias),
            make.Activation("activation_function", Activation.Relu));
    }

    private static ResidualBlock Block(LayerNorm norm, ISublayer inner, bool normFirst) =>
        normFirst ? new ResidualBlock(norm, inner) : new ResidualBlock(before: null, inner, ofSum: norm);
}
