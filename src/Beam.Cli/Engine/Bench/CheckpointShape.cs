using System.Globalization;

namespace Beam.Cli.Engine.Bench;

/// <summary>The sizes of a model whose weights do not matter.</summary>
internal sealed record CheckpointShape(
    string Name, string Architecture, string ModelType, int Vocabulary, int Hidden, int Intermediate, int Layers, int Heads, int KeyValueHeads, int HeadSize)
{
    public bool HasBiases { get; init; }

    public int Experts { get; init; }

    public int ExpertsPerToken { get; init; }

    public bool IsTied { get; init; } = true;

    public float RopeTheta { get; init; } = 1_000_000;

    /// <summary>Published models' shapes, but for the mixture, which is one in small.</summary>
    public static IReadOnlyList<CheckpointShape> All { get; } =
    [
        new("qwen2.5-0.5b", "Qwen2ForCausalLM", "qwen2", 151_936, 896, 4864, 24, 14, 2, 64) { HasBiases = true },
        new("gemma-2b", "GemmaForCausalLM", "gemma", 256_000, 2048, 16_384, 18, 8, 1, 256) { RopeTheta = 10_000 },
        new("moe", "Qwen3MoeForCausalLM", "qwen3_moe", 32_768, 1024, 512, 16, 16, 4, 64) { Experts = 32, ExpertsPerToken = 4 },
        new("mini", "Qwen2ForCausalLM", "qwen2", 2048, 128, 256, 2, 4, 2, 32) { HasBiases = true },
    ];

    public static string Names => string.Join(", ", All.Select(s => s.Name));

    public static CheckpointShape Find(string name) => All.FirstOrDefault(s => s.Name == name)
        ?? throw new Hosting.UsageException($"There is no shape '{name}'; there are {Names}.");

    /// <summary>What config.json says.</summary>
    public Dictionary<string, object> Config()
    {
        var config = new Dictionary<string, object>
        {
            ["architectures"] = new[] { Architecture },
            ["model_type"] = ModelType,
            ["torch_dtype"] = "bfloat16",
            ["vocab_size"] = Vocabulary,
            ["hidden_size"] = Hidden,
            ["intermediate_size"] = Intermediate,
            ["num_hidden_layers"] = Layers,
            ["num_attention_heads"] = Heads,
            ["num_key_value_heads"] = KeyValueHeads,
            ["head_dim"] = HeadSize,
            ["rms_norm_eps"] = 1e-6,
            ["rope_theta"] = RopeTheta,
            ["tie_word_embeddings"] = IsTied,
            ["hidden_act"] = ModelType == "gemma" ? "gelu_pytorch_tanh" : "silu",
            ["max_position_embeddings"] = 2048,
            ["bos_token_id"] = 1,
            ["eos_token_id"] = 2,
        };
        if (Experts == 0) return config;
        config["num_experts"] = Experts;
        config["num_experts_per_tok"] = ExpertsPerToken;
        config["moe_intermediate_size"] = Intermediate;
        config["norm_topk_prob"] = true;
        config["decoder_sparse_step"] = 1;
        return config;
    }

    public IEnumerable<(string Name, int[] Shape)> Tensors()
    {
        yield return ("model.embed_tokens.weight", [Vocabulary, Hidden]);
        for (var i = 0; i < Layers; i++)
        {
            var layer = string.Create(CultureInfo.InvariantCulture, $"model.layers.{i}");
            yield return ($"{layer}.input_layernorm.weight", [Hidden]);
            foreach (var (name, outputs) in (IEnumerable<(string, int)>)[("q", Heads * HeadSize), ("k", KeyValueHeads * HeadSize), ("v", KeyValueHeads * HeadSize)])
            {
                yield return ($"{layer}.self_attn.{name}_proj.weight", [outputs, Hidden]);
                if (HasBiases) yield return ($"{layer}.self_attn.{name}_proj.bias", [outputs]);
            }

            yield return ($"{layer}.self_attn.o_proj.weight", [Hidden, Heads * HeadSize]);
            if (ModelType == "qwen3_moe")
            {
                yield return ($"{layer}.self_attn.q_norm.weight", [HeadSize]);
                yield return ($"{layer}.self_attn.k_norm.weight", [HeadSize]);
            }

            yield return ($"{layer}.post_attention_layernorm.weight", [Hidden]);
            if (Experts > 0) yield return ($"{layer}.mlp.gate.weight", [Experts, Hidden]);
            foreach (var mlp in Experts == 0 ? [$"{layer}.mlp"] : Enumerable.Range(0, Experts).Select(e => $"{layer}.mlp.experts.{e}"))
            {
                yield return ($"{mlp}.gate_proj.weight", [Intermediate, Hidden]);
                yield return ($"{mlp}.up_proj.weight", [Intermediate, Hidden]);
                yield return ($"{mlp}.down_proj.weight", [Hidden, Intermediate]);
            }
        }

        yield return ("model.norm.weight", [Hidden]);
        if (!IsTied) yield return ("lm_head.weight", [Vocabulary, Hidden]);
    }
}
