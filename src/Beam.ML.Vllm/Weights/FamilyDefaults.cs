using System.Text.Json;

namespace Beam.ML.Vllm.Weights;

/// <summary>
/// What a config.json leaves unsaid: some families have names of their own for what all decoders share, and the nested configurations of
/// multimodal models carry only what differs from the family's defaults.
/// </summary>
internal static class FamilyDefaults
{
    private static readonly Dictionary<string, JsonElement> Values = new(StringComparer.Ordinal)
    {
        ["gemma3_text"] = Parse("""
            {
              "vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
              "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "rope_theta": 1000000,
              "rope_local_base_freq": 10000, "query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 6
            }
            """),
    };

    private static readonly Dictionary<(string Family, string Key), string> Names = new()
    {
        [("gpt2", "hidden_size")] = "n_embd",
        [("gpt2", "num_hidden_layers")] = "n_layer",
        [("gpt2", "num_attention_heads")] = "n_head",
        [("gpt2", "max_position_embeddings")] = "n_positions",
        [("gpt2", "intermediate_size")] = "n_inner",
        [("opt", "intermediate_size")] = "ffn_dim",
    };

    /// <summary>The value that a key has where the file does not give it.</summary>
    public static bool TryGet(string? family, string key, out JsonElement value)
    {
        value = default;
        return family is not null && Values.TryGetValue(family, out var values) && values.TryGetProperty(key, out value);
    }

    /// <summary>The name that a key has in this family's files.</summary>
    public static string Name(string? family, string key) => family is not null && Names.TryGetValue((family, key), out var name) ? name : key;

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
