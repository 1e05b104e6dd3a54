using System.Text.Json;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// <c>override_generation_config</c>: parameters of requests that bring none, in place of what generation_config.json says, whose names they
/// have. What is null stays as it is.
/// </summary>
public sealed record GenerationOverrides
{
    /// <summary><c>temperature</c>.</summary>
    public double? Temperature { get; init; }

    /// <summary><c>top_p</c>.</summary>
    public double? TopP { get; init; }

    /// <summary><c>top_k</c>.</summary>
    public int? TopK { get; init; }

    /// <summary><c>min_p</c>.</summary>
    public double? MinP { get; init; }

    /// <summary><c>repetition_penalty</c>.</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary><c>max_new_tokens</c>: what a request gets that asks for no number of tokens, and the most that any request to the server gets.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>Reads vLLM's JSON, such as <c>{"temperature": 0.5, "max_new_tokens": 100}</c>.</summary>
    /// <exception cref="ArgumentException">The text is not such an object, has another name in it, or a value is not what sampling allows.</exception>
    public static GenerationOverrides Parse(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new ArgumentException($"override_generation_config must be a JSON object, got {json}.");
            var result = new GenerationOverrides();
            foreach (var entry in document.RootElement.EnumerateObject())
            {
                result = entry.Name switch
                {
                    "temperature" => result with { Temperature = Double(entry) },
                    "top_p" => result with { TopP = Double(entry) },
                    "top_k" => result with { TopK = Int(entry) },
                    "min_p" => result with { MinP = Double(entry) },
                    "repetition_penalty" => result with { RepetitionPenalty = Double(entry) },
                    "max_new_tokens" => result with { MaxNewTokens = Int(entry) },
                    _ => throw new ArgumentException($"override_generation_config cannot have {entry.Name}: it sets temperature, top_p, top_k, min_p, repetition_penalty and max_new_tokens."),
                };
            }

            result.Validate();
            return result;
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"override_generation_config must be a JSON object: {e.Message}", e);
        }
    }

    /// <summary>Checks all values.</summary>
    /// <exception cref="ArgumentException">A value is not what sampling allows.</exception>
    public void Validate()
    {
        try
        {
            Over(new SamplingParams()).Validate();
        }
        catch (ArgumentException e)
        {
            throw new ArgumentException($"override_generation_config: {e.Message}", e);
        }
    }

    /// <summary>The values over others.</summary>
    internal SamplingParams Over(SamplingParams defaults) => defaults with
    {
        Temperature = Temperature ?? defaults.Temperature,
        TopP = TopP ?? defaults.TopP,
        TopK = TopK ?? defaults.TopK,
        MinP = MinP ?? defaults.MinP,
        RepetitionPenalty = RepetitionPenalty ?? defaults.RepetitionPenalty,
        MaxTokens = MaxNewTokens ?? defaults.MaxTokens,
    };

    private static double? Double(JsonProperty entry) => entry.Value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.Number when entry.Value.GetDouble() is var number && double.IsFinite(number) => number,
        _ => throw Wrong(entry, "a number"),
    };

    private static int? Int(JsonProperty entry) => Double(entry) switch
    {
        null => null,
        { } number when number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue => (int)number,
        _ => throw Wrong(entry, "a whole number"),
    };

    private static ArgumentException Wrong(JsonProperty entry, string expected) =>
        new($"override_generation_config: {entry.Name} must be {expected}, got {entry.Value.GetRawText()}.");
}
