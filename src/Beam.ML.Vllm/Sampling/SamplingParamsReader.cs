using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput;

namespace Beam.ML.Vllm.Sampling;

/// <summary>Reads sampling parameters by the names that vLLM and the OpenAI API give them.</summary>
internal static class SamplingParamsReader
{
    private delegate SamplingParams Setter(SamplingParams p, JsonElement value);

    private static readonly Dictionary<string, Setter> Setters = new(StringComparer.Ordinal)
    {
        ["n"] = (p, v) => p with { N = v.ToInt32() },
        ["best_of"] = (p, v) => p with { BestOf = OrNull(v, i => i.ToInt32()) },
        ["temperature"] = (p, v) => p with { Temperature = v.GetDouble() },
        ["top_p"] = (p, v) => p with { TopP = v.GetDouble() },
        ["top_k"] = (p, v) => p with { TopK = v.ToInt32() },
        ["min_p"] = (p, v) => p with { MinP = v.GetDouble() },
        ["seed"] = (p, v) => p with { Seed = OrNull(v, i => i.GetInt64()) },
        ["max_tokens"] = (p, v) => p with { MaxTokens = OrNull(v, i => i.ToInt32()) },
        ["max_completion_tokens"] = (p, v) => p with { MaxTokens = OrNull(v, i => i.ToInt32()) },
        ["min_tokens"] = (p, v) => p with { MinTokens = v.ToInt32() },
        ["stop"] = (p, v) => p with { Stop = v.ValueKind switch { JsonValueKind.Null => [], JsonValueKind.String => [v.GetString()!], _ => Texts(v) } },
        ["stop_token_ids"] = (p, v) => p with { StopTokenIds = v.ValueKind == JsonValueKind.Null ? [] : Ids(v) },
        ["repetition_detection"] = (p, v) => p with { RepetitionDetection = v.ValueKind == JsonValueKind.Null ? null : Repetition(v) },
        ["ignore_eos"] = (p, v) => p with { IgnoreEos = v.GetBoolean() },
        ["logprobs"] = (p, v) => p with { Logprobs = Count(v) },
        ["prompt_logprobs"] = (p, v) => p with { PromptLogprobs = Count(v) },
        ["logprob_token_ids"] = (p, v) => p with { LogprobTokenIds = v.ValueKind == JsonValueKind.Null ? null : Ids(v) },
        ["skip_reading_prefix_cache"] = (p, v) => p with { SkipReadingPrefixCache = OrNull(v, b => b.GetBoolean()) },
        ["cache_salt"] = (p, v) => p with { CacheSalt = v.GetString() },
        ["truncate_prompt_tokens"] = (p, v) => p with { TruncatePromptTokens = OrNull(v, i => i.ToInt32()) },
        ["detokenize"] = (p, v) => p with { Detokenize = v.GetBoolean() },
        ["skip_special_tokens"] = (p, v) => p with { SkipSpecialTokens = v.GetBoolean() },
        ["spaces_between_special_tokens"] = (p, v) => p with { SpacesBetweenSpecialTokens = v.GetBoolean() },
        ["include_stop_str_in_output"] = (p, v) => p with { IncludeStopStringInOutput = v.GetBoolean() },
        ["output_kind"] = (p, v) => p with { OutputKind = Kind(v) },
        ["stream_interval"] = (p, v) => p with { StreamInterval = OrNull(v, i => i.ToInt32()) },
        ["presence_penalty"] = (p, v) => p with { PresencePenalty = v.GetDouble() },
        ["frequency_penalty"] = (p, v) => p with { FrequencyPenalty = v.GetDouble() },
        ["repetition_penalty"] = (p, v) => p with { RepetitionPenalty = v.GetDouble() },
        ["logit_bias"] = (p, v) => p with { LogitBias = v.ValueKind == JsonValueKind.Null ? null : Bias(v) },
        ["allowed_token_ids"] = (p, v) => p with { AllowedTokenIds = v.ValueKind == JsonValueKind.Null ? null : Ids(v) },
        ["bad_words"] = (p, v) => p with { BadWords = v.ValueKind == JsonValueKind.Null ? [] : Texts(v) },
        ["structured_outputs"] = (p, v) => p with { StructuredOutputs = v.ValueKind == JsonValueKind.Null ? null : StructuredOutputsParams.FromJson(v) },
        ["guided_json"] = (p, v) => Guided(p, v, "json"),
        ["guided_regex"] = (p, v) => Guided(p, v, "regex"),
        ["guided_choice"] = (p, v) => Guided(p, v, "choice"),
        ["guided_grammar"] = (p, v) => Guided(p, v, "grammar"),
        ["guided_whitespace_pattern"] = (p, v) => v.GetString() is { } pattern
            ? p with { StructuredOutputs = (p.StructuredOutputs ?? new StructuredOutputsParams()) with { WhitespacePattern = pattern } }
            : p,
    };

    private static readonly HashSet<string> NeverNull =
    [
        "n", "temperature", "top_p", "top_k", "min_p", "min_tokens", "ignore_eos", "detokenize", "skip_special_tokens",
        "spaces_between_special_tokens", "include_stop_str_in_output", "output_kind", "presence_penalty", "frequency_penalty", "repetition_penalty",
    ];

    // What vLLM's sampling parameters have beside; whoever dumps them brings the defaults, which are null and false.
    private static readonly Dictionary<string, string> Foreign = new(StringComparer.Ordinal)
    {
        ["thinking_token_budget"] = "the engine does not tell thoughts from answers; max_tokens bounds both",
        ["flat_logprobs"] = "log probabilities have one form",
        ["extra_args"] = "there is nothing that takes any",
        ["prompt_logprob_token_ids"] = "prompt_logprobs gives the likeliest tokens alone",
    };

    /// <summary>Whether a sampling parameter has this name.</summary>
    public static bool Knows(string name) => Setters.ContainsKey(name) || Foreign.ContainsKey(name);

    public static SamplingParams Read(IReadOnlyDictionary<string, object?> values, SamplingParams defaults)
    {
        var result = defaults;
        foreach (var (name, value) in values) result = Apply(result, name, ToJson(name, value));
        result.Validate();
        return result;
    }

    public static SamplingParams Read(JsonElement json, SamplingParams defaults)
    {
        if (json.ValueKind != JsonValueKind.Object) throw new ArgumentException("Sampling parameters must be an object of names and values.");
        var result = defaults;
        foreach (var property in json.EnumerateObject()) result = Apply(result, property.Name, property.Value);
        result.Validate();
        return result;
    }

    /// <summary>Sets one parameter by its name; ranges are left to <see cref="SamplingParams.Validate"/>.</summary>
    /// <exception cref="ArgumentException">The name is unknown, or the value is not of its type.</exception>
    public static SamplingParams Apply(SamplingParams parameters, string name, JsonElement value)
    {
        if (Foreign.TryGetValue(name, out var reason))
        {
            return value.ValueKind is JsonValueKind.Null or JsonValueKind.False || (name == "thinking_token_budget" && value.GetRawText() == "-1") ? parameters
                : throw new ArgumentException($"{name} cannot be {Shorten(value.GetRawText())} here: {reason}. Leave it out.");
        }

        if (!Setters.TryGetValue(name, out var set))
            throw new ArgumentException($"Unknown sampling parameter '{name}'.{(Nearest(Setters.Keys, name) is { } nearest ? $" Did you mean '{nearest}'?" : "")}");
        try
        {
            // Where null has no meaning of its own it leaves the default, as in vLLM.
            return value.ValueKind == JsonValueKind.Null && NeverNull.Contains(name) ? parameters : set(parameters, value);
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or OverflowException or (ArgumentException and not StructuredOutputException))
        {
            throw new ArgumentException($"Sampling parameter '{name}' cannot be {Shorten(value.GetRawText())}.", e);
        }
    }

    private static JsonElement ToJson(string name, object? value)
    {
        try
        {
            return JsonSerializer.SerializeToElement(value);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException or JsonException)
        {
            throw new ArgumentException(
                $"Sampling parameter '{name}' cannot be {Shorten(Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture) ?? "")}.", e);
        }
    }

    private static int[] Ids(JsonElement list) => [.. list.EnumerateArray().Select(i => i.ToInt32())];

    // The older names, one for each kind.
    private static SamplingParams Guided(SamplingParams p, JsonElement value, string kind)
    {
        if (value.ValueKind == JsonValueKind.Null) return p;
        if (p.StructuredOutputs is { HasConstraint: true }) throw new StructuredOutputException($"guided_{kind} cannot go with another constraint of the output.");
        var constraint = new Dictionary<string, JsonElement> { [kind] = value };
        return p with { StructuredOutputs = StructuredOutputsParams.FromJson(JsonSerializer.SerializeToElement(constraint)) with { WhitespacePattern = p.StructuredOutputs?.WhitespacePattern } };
    }

    private static string[] Texts(JsonElement list) =>
        [.. list.EnumerateArray().Select(s => s.GetString() ?? throw new FormatException("null is no text"))];

    private static T? OrNull<T>(JsonElement value, Func<JsonElement, T> read) where T : struct =>
        value.ValueKind == JsonValueKind.Null ? null : read(value);

    // true stands for 1, as in vLLM.
    private static int? Count(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => null,
        JsonValueKind.True => 1,
        _ => value.ToInt32(),
    };

    private static RepetitionDetectionParams Repetition(JsonElement value)
    {
        var result = new RepetitionDetectionParams(0);
        foreach (var entry in value.EnumerateObject())
        {
            result = entry.Name switch
            {
                "max_pattern_size" => result with { MaxPatternSize = entry.Value.ToInt32() },
                "min_pattern_size" => result with { MinPatternSize = entry.Value.ToInt32() },
                "min_count" => result with { MinCount = entry.Value.ToInt32() },
                _ => throw new FormatException("max_pattern_size, min_pattern_size and min_count are known"),
            };
        }
        return result;
    }

    private static OutputKind Kind(JsonElement value) => value.ValueKind == JsonValueKind.Number
        ? Enum.IsDefined((OutputKind)value.ToInt32()) ? (OutputKind)value.ToInt32() : throw new FormatException("0, 1 and 2 are known")
        : value.GetString() switch
        {
            "cumulative" => OutputKind.Cumulative,
            "delta" => OutputKind.Delta,
            "final_only" => OutputKind.FinalOnly,
            _ => throw new FormatException("cumulative, delta and final_only are known"),
        };

    private static Dictionary<int, float> Bias(JsonElement map) => map.EnumerateObject().ToDictionary(
        p => int.Parse(p.Name, System.Globalization.CultureInfo.InvariantCulture), p => Math.Clamp(p.Value.GetSingle(), -100f, 100f));

    private static string Shorten(string text) => text.Length <= 60 ? text : text[..60] + "…";

    /// <summary>The known name that was probably meant: one that few letters tell from what was given, for its length.</summary>
    internal static string? Nearest(IEnumerable<string> known, string given, Func<string, string>? normalize = null)
    {
        normalize ??= static name => name;
        var name = normalize(given);
        var (nearest, distance) = known.Select(k => (Name: k, Distance: Distance(normalize(k), name))).MinBy(k => k.Distance);
        return nearest is not null && distance <= Math.Clamp(name.Length / 4, 1, 4) ? nearest : null;
    }

    // Levenshtein distance.
    internal static int Distance(string a, string b)
    {
        if (b.Length > 64) return int.MaxValue;
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[^1];
    }
}
