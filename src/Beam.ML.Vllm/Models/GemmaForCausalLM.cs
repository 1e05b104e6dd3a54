using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>Gemma 1 and 1.1: scaled embeddings, norms stored as the distance from one, GeGLU, a head tied to the embeddings.</summary>
internal static class GemmaForCausalLM
{
    public static IReadOnlyList<KvShape> KvShapes(ModelConfig config) =>
        [.. Enumerable.Repeat(new KvShape(config.KeyValueHeads, config.HeadSize), config.Layers)];

    public static DecoderModel Build(LayerFactory make)
    {
        var config = make.Config;
        var rotary = make.Rotary();
        var embedding = make.Embedding("model.embed_tokens.weight", scale: MathF.Sqrt(config.HiddenSize));
        var layers = Enumerable.Range(0, config.Layers).Select(i => Layer(make, i, rotary)).ToArray();
        var norm = make.RmsNorm("model.norm.weight", offset: 1);
        var head = config.Flag("tie_word_embeddings", true)
            ? embedding.TiedHead()
            : make.Linear(config.HiddenSize, ("lm_head.weight", config.VocabularySize));
        return new DecoderModel(embedding, layers, norm, head, make.TakeOwned());
    }

    private static PreNormLayer Layer(LayerFactory make, int index, RotaryEmbedding rotary)
    {
        var (config, name) = (make.Config, $"model.layers.{index}");
        var shape = new AttentionShape(index, config.Heads, config.KeyValueHeads, config.HeadSize, 1 / MathF.Sqrt(config.HeadSize));
        var qkv = make.Linear(
            config.HiddenSize,
            ($"{name}.self_attn.q_proj.weight", shape.QuerySize),
            ($"{name}.self_attn.k_proj.weight", shape.KeyValueSize),
            ($"{name}.self_attn.v_proj.weight", shape.KeyValueSize));
        var output = make.Linear(shape.QuerySize, ($"{name}.self_attn.o_proj.weight", config.HiddenSize));
        var gateUp = make.Linear(
            config.HiddenSize,
            ($"{name}.mlp.gate_proj.weight", config.IntermediateSize),
            ($"{name}.mlp.up_proj.weight", config.IntermediateSize));
        var down = make.Linear(config.IntermediateSize, ($"{name}.mlp.down_proj.weight", config.HiddenSize));
        return new PreNormLayer(
            make.RmsNorm($"{name}.input_layernorm.weight", offset: 1),
            new SelfAttention(shape, qkv, output, rotary),
            make.RmsNorm($"{name}.post_attention_layernorm.weight", offset: 1),
            new GatedMlp(gateUp, down));
    }
}
