using System.Text.Json;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// <c>speculative_config</c>: tokens are guessed ahead and verified several in one step. Outputs stay the same, token for token; where text
/// repeats itself, or its prompt, they come in fewer steps.
/// </summary>
public sealed record SpeculativeConfig
{
    /// <summary><c>method</c>: <c>ngram</c>, the only one: what followed the last few tokens where they stood before, in prompt or output.</summary>
    public string Method { get; init; } = "ngram";

    /// <summary><c>num_speculative_tokens</c>: tokens guessed at a time, 1 to 128.</summary>
    public required int NumSpeculativeTokens { get; init; }

    /// <summary><c>prompt_lookup_max</c>: the most tokens that are looked for, up to 32; the longest match counts. By default <see cref="PromptLookupMin"/>, or 5.</summary>
    public int? PromptLookupMax { get; init; }

    /// <summary><c>prompt_lookup_min</c>: the fewest. By default <see cref="PromptLookupMax"/>, or 5.</summary>
    public int? PromptLookupMin { get; init; }

    internal int Longest => PromptLookupMax ?? PromptLookupMin ?? 5;

    internal int Shortest => PromptLookupMin ?? PromptLookupMax ?? 5;

    /// <summary>Reads vLLM's JSON, such as <c>{"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_max": 4}</c>.</summary>
    /// <exception cref="ArgumentException">The text is not such an object, or a value is out of its range.</exception>
    public static SpeculativeConfig Parse(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new ArgumentException($"speculative_config must be a JSON object, got {json}.");
            var config = new SpeculativeConfig { NumSpeculativeTokens = 0 };
            foreach (var entry in document.RootElement.EnumerateObject())
            {
                config = entry.Name switch
                {
                    "method" when entry.Value.ValueKind == JsonValueKind.String => config with { Method = entry.Value.GetString()! },
                    "num_speculative_tokens" => config with { NumSpeculativeTokens = Number(entry) },
                    "prompt_lookup_max" => config with { PromptLookupMax = Number(entry) },
                    "prompt_lookup_min" => config with { PromptLookupMin = Number(entry) },
                    _ => throw new ArgumentException(
                        $"speculative_config has {entry.Name}={entry.Value.GetRawText()}; known are method, num_speculative_tokens, prompt_lookup_max and prompt_lookup_min."),
                };
            }

            config.Validate();
            return config;
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"speculative_config is not valid JSON ({e.Message}).", e);
        }
    }

    internal void Validate()
    {
        Require(Method == "ngram", $"speculative_config: method must be ngram, got {Method}.");
        Require(NumSpeculativeTokens is >= 1 and <= 128, $"speculative_config: num_speculative_tokens must be in [1, 128], got {NumSpeculativeTokens}.");
        Require(Longest is >= 1 and <= 32, $"speculative_config: prompt_lookup_max must be in [1, 32], got {Longest}.");
        Require(Shortest >= 1 && Shortest <= Longest, $"speculative_config: prompt_lookup_min must be in [1, {Longest}], got {Shortest}.");

        static void Require(bool holds, string message)
        {
            if (!holds) throw new ArgumentException(message);
        }
    }

    private static int Number(JsonProperty entry) =>
        entry.Value.ValueKind == JsonValueKind.Number && entry.Value.TryGetInt32(out var number)
            ? number
            : throw new ArgumentException($"speculative_config: {entry.Name} must be a whole number, got {entry.Value.GetRawText()}.");
}
