namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>Gemma 1 to 3. Norms, stored as the distance from one, are written whole.</summary>
internal static class GgufGemma
{
    public static void AddFirst(GgufModel model)
    {
        var config = model.Config;
        model.Sizes();
        model.Rope(config.Rope());
        model.EmbeddingAndHead(tied: true, normOffset: 1);
        for (var i = 0; i < config.Layers; i++)
        {
            var (name, block) = ($"model.layers.{i}", $"blk.{i}");
            model.Norm($"{block}.attn_norm.weight", $"{name}.input_layernorm.weight", offset: 1);
            GgufLayers.Attention(model, block, $"{name}.self_attn");
            model.Norm($"{block}.ffn_norm.weight", $"{name}.post_attention_layernorm.weight", offset: 1);
            GgufLayers.Mlp(model, block, $"{name}.mlp");
        }
    }

    public static void AddSecond(GgufModel model)
    {
        var config = model.Config;
        model.Sizes();
        model.Rope(config.Rope());
        model.Key("attn_logit_softcapping", config.Float("attn_logit_softcapping", 50));
        model.Key("final_logit_softcapping", config.Float("final_logit_softcapping", 30));
        Windows(model, pattern: 2);
        Layers(model, queryScale: QueryScale(model, largest: 46));
    }

    public static void AddThird(GgufModel model)
    {
        var config = model.Config;
        var near = config.Rope(ModelConfig.Sliding);
        model.Sizes();
        model.Rope(config.Rope());
        model.Key("rope.freq_base_swa", near.Theta);
        if (near.Type != "default" || near.Theta != 10_000)
            throw config.Wrong("rope_parameters of sliding layers", $"are {near.Type} with the base {near.Theta}; llama.cpp's gemma3 has 10000 without scaling");
        if (config.Float("final_logit_softcapping", 0) is > 0 and var cap) model.Key("final_logit_softcapping", cap);
        Windows(model, pattern: 6);
        Layers(model, queryScale: QueryScale(model, largest: 62));
    }

    /// <summary>
    /// llama.cpp divides by the root of the head size (in the largest of the two families, told by its layers, by that of embedding length
    /// over heads); a model that was trained with another divisor has the difference put into its weights.
    /// </summary>
    private static float QueryScale(GgufModel model, int largest)
    {
        var config = model.Config;
        var divisor = config.Layers == largest ? (float)config.HiddenSize / config.Heads : config.HeadSize;
        return MathF.Sqrt(divisor / config.Float("query_pre_attn_scalar", 256));
    }

    private static void Windows(GgufModel model, int pattern)
    {
        var config = model.Config;
        model.Key("attention.sliding_window", config.Size("sliding_window", 1 << 30));
        for (var i = 0; i < config.Layers; i++)
        {
            if (config.IsSliding(i, layer => (layer + 1) % pattern != 0) != ((i + 1) % pattern != 0))
                throw config.Wrong("layer_types", $"has another order than one full layer in {pattern}, which is what llama.cpp's {model.Architecture} has");
        }
    }

    private static void Layers(GgufModel model, float queryScale)
    {
        var config = model.Config;
        model.EmbeddingAndHead(tied: true, normOffset: 1);
        for (var i = 0; i < config.Layers; i++)
        {
            var (name, block) = ($"model.layers.{i}", $"blk.{i}");
            model.Norm($"{block}.attn_norm.weight", $"{name}.input_layernorm.weight", offset: 1);
            Queries(model, block, $"{name}.self_attn", queryScale);
            model.Norm($"{block}.post_attention_norm.weight", $"{name}.post_attention_layernorm.weight", offset: 1);
            model.Norm($"{block}.ffn_norm.weight", $"{name}.pre_feedforward_layernorm.weight", offset: 1);
            GgufLayers.Mlp(model, block, $"{name}.mlp");
            model.Norm($"{block}.post_ffw_norm.weight", $"{name}.post_feedforward_layernorm.weight", offset: 1);
        }
    }

    /// <summary>The scale goes where it changes nothing else: into the norm of the queries, or, without one, into their projection.</summary>
    private static void Queries(GgufModel model, string block, string from, float scale)
    {
        var hasNorm = model.Has($"{from}.q_norm.weight");
        var queries = model.Source($"{from}.q_proj.weight");
        if (hasNorm || scale == 1) model.Matrix($"{block}.attn_q.weight", queries);
        else model.Add($"{block}.attn_q.weight", [queries.Rows, queries.Columns], (row, target) =>
        {
            queries.ReadRow(row, target);
            foreach (ref var value in target) value *= scale;
        });
        GgufLayers.Projection(model, $"{block}.attn_k", $"{from}.k_proj");
        GgufLayers.Projection(model, $"{block}.attn_v", $"{from}.v_proj");
        GgufLayers.Projection(model, $"{block}.attn_output", $"{from}.o_proj");
        if (!hasNorm) return;
        model.Norm($"{block}.attn_q_norm.weight", $"{from}.q_norm.weight", offset: 1, scale);
        model.Norm($"{block}.attn_k_norm.weight", $"{from}.k_norm.weight", offset: 1);
    }
}
