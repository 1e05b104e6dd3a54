namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>Phi-3 and Phi-4: merged projections stay merged.</summary>
internal static class GgufPhi3
{
    public static void Add(GgufModel model)
    {
        var config = model.Config;
        model.Sizes();
        model.Rope(config.Rope());
        model.Key("attention.sliding_window", config.Has("sliding_window") ? config.Size("sliding_window", 1 << 30) : 0);
        model.EmbeddingAndHead();
        for (var i = 0; i < config.Layers; i++)
        {
            var (name, block) = ($"model.layers.{i}", $"blk.{i}");
            model.Norm($"{block}.attn_norm.weight", $"{name}.input_layernorm.weight");
            model.Matrix($"{block}.attn_qkv.weight", $"{name}.self_attn.qkv_proj.weight");
            model.Matrix($"{block}.attn_output.weight", $"{name}.self_attn.o_proj.weight");
            model.Norm($"{block}.ffn_norm.weight", $"{name}.post_attention_layernorm.weight");
            model.Matrix($"{block}.ffn_up.weight", $"{name}.mlp.gate_up_proj.weight");
            model.Matrix($"{block}.ffn_down.weight", $"{name}.mlp.down_proj.weight");
        }
    }
}
