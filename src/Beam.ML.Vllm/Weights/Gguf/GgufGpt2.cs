namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>GPT-2, which stores its matrices the other way round.</summary>
internal static class GgufGpt2
{
    public static void Add(GgufModel model)
    {
        var config = model.Config;
        if (!config.Flag("scale_attn_weights", true) || config.Flag("scale_attn_by_inverse_layer_idx", false))
            throw new ModelLoadException($"'{config.Path}' scales attention in a way of its own (scale_attn_weights, scale_attn_by_inverse_layer_idx), which llama.cpp's gpt2 does not know; the model cannot be exported.");
        model.Sizes(rmsNorm: false);
        model.Key("attention.layer_norm_epsilon", config.Float("layer_norm_epsilon", 1e-5f));
        model.Matrix("token_embd.weight", "transformer.wte.weight");
        model.Matrix("position_embd.weight", "transformer.wpe.weight");
        Norm(model, "output_norm", "transformer.ln_f");
        if (!config.Flag("tie_word_embeddings", true)) model.Matrix("output.weight", "lm_head.weight");
        for (var i = 0; i < config.Layers; i++)
        {
            var (name, block) = ($"transformer.h.{i}", $"blk.{i}");
            Norm(model, $"{block}.attn_norm", $"{name}.ln_1");
            Transposed(model, $"{block}.attn_qkv", $"{name}.attn.c_attn");
            Transposed(model, $"{block}.attn_output", $"{name}.attn.c_proj");
            Norm(model, $"{block}.ffn_norm", $"{name}.ln_2");
            Transposed(model, $"{block}.ffn_up", $"{name}.mlp.c_fc");
            Transposed(model, $"{block}.ffn_down", $"{name}.mlp.c_proj");
        }
    }

    private static void Norm(GgufModel model, string name, string from)
    {
        model.Norm($"{name}.weight", $"{from}.weight");
        model.Bias($"{name}.bias", $"{from}.bias");
    }

    private static void Transposed(GgufModel model, string name, string from)
    {
        model.Transposed($"{name}.weight", model.Source($"{from}.weight"));
        model.Bias($"{name}.bias", $"{from}.bias");
    }
}
