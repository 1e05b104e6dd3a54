namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>gpt-oss: experts are stored as [inputs, outputs], with gate and up in turns; here each is a matrix of its own.</summary>
internal static class GgufGptOss
{
    public static void Add(GgufModel model)
    {
        var config = model.Config;
        model.Sizes();
        model.MixtureSizes(config.IntermediateSize);
        model.Key("attention.sliding_window", config.Size("sliding_window", 1 << 30));
        model.Rope(config.Rope());
        model.EmbeddingAndHead();
        for (var i = 0; i < config.Layers; i++)
        {
            var (name, block) = ($"model.layers.{i}", $"blk.{i}");
            model.Norm($"{block}.attn_norm.weight", $"{name}.input_layernorm.weight");
            GgufLayers.Attention(model, block, $"{name}.self_attn");
            model.Norm($"{block}.attn_sinks.weight", $"{name}.self_attn.sinks");
            model.Norm($"{block}.post_attention_norm.weight", $"{name}.post_attention_layernorm.weight");
            GgufLayers.Projection(model, $"{block}.ffn_gate_inp", $"{name}.mlp.router");
            Experts(model, block, $"{name}.mlp.experts");
        }
    }

    private static void Experts(GgufModel model, string block, string from)
    {
        var (hidden, size, count) = (model.Config.HiddenSize, model.Config.IntermediateSize, model.Experts);
        var gateUp = model.Source($"{from}.gate_up_proj").Require(count, hidden, 2 * size);
        var gateUpBias = model.Source($"{from}.gate_up_proj_bias").Require(count, 2 * size);
        var down = model.Source($"{from}.down_proj").Require(count, size, hidden);
        var downBias = model.Source($"{from}.down_proj_bias").Require(count, hidden);
        foreach (var (name, odd) in (IEnumerable<(string, int)>)[("gate", 0), ("up", 1)])
        {
            model.Add($"{block}.ffn_{name}_exps.weight", [count, size, hidden], (row, target) => GgufModel.ReadColumn(gateUp.Slice(row / size), (2 * (row % size)) + odd, target));
            model.Add($"{block}.ffn_{name}_exps.bias", [count, size], (row, target) =>
            {
                for (var i = 0; i < target.Length; i++) gateUpBias.ReadRow(row, (2 * i) + odd, target.Slice(i, 1));
            });
        }

        model.Add($"{block}.ffn_down_exps.weight", [count, hidden, size], (row, target) => GgufModel.ReadColumn(down.Slice(row / hidden), row % hidden, target));
        model.Matrix($"{block}.ffn_down_exps.bias", downBias);
    }
}
