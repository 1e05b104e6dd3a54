namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>Llama, Mistral and Mixtral: llama.cpp's architecture <c>llama</c>, whose rotation turns neighbours where the checkpoints turn halves.</summary>
internal static class GgufLlama
{
    public static void Add(GgufModel model)
    {
        var config = model.Config;
        var isMixture = config.Has("num_local_experts");
        model.Sizes();
        if (isMixture) model.MixtureSizes(config.IntermediateSize);
        model.Rope(config.Rope());
        if (config.Architectures.Contains("MistralForCausalLM") || isMixture) model.WarnOfWindow();
        model.EmbeddingAndHead();
        for (var i = 0; i < config.Layers; i++)
        {
            var (name, block) = ($"model.layers.{i}", $"blk.{i}");
            model.Norm($"{block}.attn_norm.weight", $"{name}.input_layernorm.weight");
            Turned(model, $"{block}.attn_q", $"{name}.self_attn.q_proj", config.Heads);
            Turned(model, $"{block}.attn_k", $"{name}.self_attn.k_proj", config.KeyValueHeads);
            GgufLayers.Projection(model, $"{block}.attn_v", $"{name}.self_attn.v_proj");
            GgufLayers.Projection(model, $"{block}.attn_output", $"{name}.self_attn.o_proj");
            model.Norm($"{block}.ffn_norm.weight", $"{name}.post_attention_layernorm.weight");
            if (isMixture) GgufLayers.Mixture(model, block, $"{name}.block_sparse_moe", "w1", "w3", "w2");
            else GgufLayers.Mlp(model, block, $"{name}.mlp");
        }
    }

    /// <summary>Of each head, feature i of the first half and feature i of the second become neighbours.</summary>
    private static void Turned(GgufModel model, string name, string from, int heads)
    {
        var weight = model.Source($"{from}.weight");
        var size = model.Config.HeadSize;
        weight.Require((long)heads * size, model.Config.HiddenSize);
        model.Rows($"{name}.weight", weight, weight.Rows, Source);
        if (!model.Has($"{from}.bias")) return;
        var bias = model.Source($"{from}.bias").Require((long)heads * size).ToArray();
        model.Vector($"{name}.bias", [.. Enumerable.Range(0, bias.Length).Select(i => bias[Source(i)])]);

        int Source(int row) => (row / size * size) + (row % 2 * (size / 2)) + (row % size / 2);
    }
}
