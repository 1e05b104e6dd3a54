namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>Qwen 2, 3 and 3-MoE.</summary>
internal static class GgufQwen
{
    public static void Add(GgufModel model)
    {
        var config = model.Config;
        var isMixture = config.Architectures.Contains("Qwen3MoeForCausalLM");
        model.Sizes();
        if (isMixture) CheckMixture(model);
        model.Rope(config.Rope());
        if (config.Flag("use_sliding_window", false)) model.WarnOfWindow();
        model.EmbeddingAndHead();
        for (var i = 0; i < config.Layers; i++)
        {
            var (name, block) = ($"model.layers.{i}", $"blk.{i}");
            model.Norm($"{block}.attn_norm.weight", $"{name}.input_layernorm.weight");
            GgufLayers.Attention(model, block, $"{name}.self_attn");
            model.Norm($"{block}.ffn_norm.weight", $"{name}.post_attention_layernorm.weight");
            if (isMixture) GgufLayers.Mixture(model, block, $"{name}.mlp", "gate_proj", "up_proj", "down_proj");
            else GgufLayers.Mlp(model, block, $"{name}.mlp");
        }
    }

    private static void CheckMixture(GgufModel model)
    {
        var config = model.Config;
        model.MixtureSizes(config.Size("moe_intermediate_size", 1 << 22));
        if (config.Numbers("mlp_only_layers").Count > 0 || (config.Has("decoder_sparse_step") && config.Size("decoder_sparse_step", 10_000) != 1))
            throw new ModelLoadException($"'{config.Path}' has layers without experts (mlp_only_layers, decoder_sparse_step), which llama.cpp's {model.Architecture} does not know; the model cannot be exported.");
        if (!config.Flag("norm_topk_prob", false))
            throw new ModelLoadException($"'{config.Path}' does not normalize the weights of experts (norm_topk_prob), which llama.cpp's {model.Architecture} always does; the model cannot be exported.");
    }
}
