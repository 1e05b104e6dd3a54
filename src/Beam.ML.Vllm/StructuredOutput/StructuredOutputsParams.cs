using System.Text.Json;

namespace Beam.ML.Vllm.StructuredOutput;

/// <summary>
/// What the output must look like: vLLM's <c>StructuredOutputsParams</c>, with its names. Exactly one of <see cref="Json"/>,
/// <see cref="Regex"/>, <see cref="Choice"/>, <see cref="Grammar"/> and <see cref="JsonObject"/> is set. The output then is a text of that
/// form, unless <c>max_tokens</c> or a stop string cuts it short.
/// </summary>
public sealed record StructuredOutputsParams
{
    /// <summary>A JSON Schema (Draft 2020-12), as JSON text.</summary>
    public string? Json { get; init; }

    /// <summary>A regular expression that the whole output matches. <c>\d</c>, <c>\w</c> and <c>\s</c> are ASCII; no look-around, no back-references.</summary>
    public string? Regex { get; init; }

    /// <summary>Texts of which the output is one.</summary>
    public IReadOnlyList<string>? Choice { get; init; }

    /// <summary>A grammar in GBNF, the EBNF of llama.cpp and XGrammar, whose rule <c>root</c> the output follows; or a simple one in Lark's form.</summary>
    public string? Grammar { get; init; }

    /// <summary>The output is a JSON object.</summary>
    public bool JsonObject { get; init; }

    /// <summary>JSON is written as Python's <c>json.dumps</c> writes it; false (the default) lets the model break and indent lines.</summary>
    public bool DisableAnyWhitespace { get; init; }

    /// <summary>A regular expression for the white space between the parts of JSON; null for the default.</summary>
    public string? WhitespacePattern { get; init; }

    /// <summary>
    /// vLLM's switch for backends that let objects have properties that their schema does not name. Here they have none in either case,
    /// unless <c>additionalProperties</c> says so.
    /// </summary>
    public bool DisableAdditionalProperties { get; init; }

    /// <summary>Reads vLLM's <c>structured_outputs</c>.</summary>
    /// <exception cref="StructuredOutputException">A name is unknown, or a value is wrong.</exception>
    public static StructuredOutputsParams FromJson(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object) throw new StructuredOutputException("structured_outputs must be an object, such as {\"regex\": \"[a-z]+\"}.");
        var result = new StructuredOutputsParams();
        foreach (var property in value.EnumerateObject())
        {
            var v = property.Value;
            if (v.ValueKind == JsonValueKind.Null) continue;
            result = property.Name switch
            {
                "json" => result with { Json = SchemaText(v) },
                "regex" => result with { Regex = Text(property) },
                "choice" => result with { Choice = Texts(property) },
                "grammar" => result with { Grammar = Text(property) },
                "json_object" => result with { JsonObject = Flag(property) },
                "disable_any_whitespace" => result with { DisableAnyWhitespace = Flag(property) },
                "disable_additional_properties" => result with { DisableAdditionalProperties = Flag(property) },
                "whitespace_pattern" => result with { WhitespacePattern = Text(property) },
                "structural_tag" => throw new StructuredOutputException("structured_outputs.structural_tag is not supported; use json, regex, choice, grammar or json_object."),
                "disable_fallback" => result,
                _ => throw new StructuredOutputException(
                    $"Unknown name '{property.Name}' in structured_outputs; there are json, regex, choice, grammar, json_object, disable_any_whitespace, disable_additional_properties and whitespace_pattern."),
            };
        }
        result.Validate();
        return result;
    }

    /// <summary>Checks that exactly one constraint is set.</summary>
    /// <exception cref="StructuredOutputException">None or several are set, or the choice is empty.</exception>
    public void Validate()
    {
        var set = Constraints;
        if (set != 1) throw new StructuredOutputException($"structured_outputs must have exactly one of json, regex, choice, grammar and json_object, got {set} of them.");
        if (Choice is { Count: 0 }) throw new StructuredOutputException("structured_outputs.choice cannot be empty.");
        if (Choice is not null && Choice.Any(c => c is null)) throw new StructuredOutputException("structured_outputs.choice must be a list of texts.");
        if (WhitespacePattern is not null && Json is null && !JsonObject) throw new StructuredOutputException("structured_outputs.whitespace_pattern goes with json or json_object only.");
    }

    /// <summary>Two are equal if they ask for the same.</summary>
    public bool Equals(StructuredOutputsParams? other) => other is not null && Key == other.Key;

    /// <inheritdoc/>
    public override int GetHashCode() => Key.GetHashCode(StringComparison.Ordinal);

    /// <summary>Whether there is anything that the output must look like.</summary>
    internal bool HasConstraint => Constraints > 0;

    private int Constraints => (Json is null ? 0 : 1) + (Regex is null ? 0 : 1) + (Choice is null ? 0 : 1) + (Grammar is null ? 0 : 1) + (JsonObject ? 1 : 0);

    /// <summary>The constraint in one text, under which its compiled form is kept.</summary>
    internal string Key => JsonSerializer.Serialize<object?[]>([Json, Regex, Choice, Grammar, JsonObject, DisableAnyWhitespace, WhitespacePattern]);

    /// <summary>A schema may come as an object or as the text of one.</summary>
    internal static string SchemaText(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    private static string Text(JsonProperty p) =>
        p.Value.ValueKind == JsonValueKind.String ? p.Value.GetString()! : throw new StructuredOutputException($"structured_outputs.{p.Name} must be a text.");

    private static bool Flag(JsonProperty p) =>
        p.Value.ValueKind is JsonValueKind.True or JsonValueKind.False ? p.Value.GetBoolean() : throw new StructuredOutputException($"structured_outputs.{p.Name} must be true or false.");

    private static string[] Texts(JsonProperty p) =>
        p.Value.ValueKind == JsonValueKind.Array && p.Value.EnumerateArray().All(e => e.ValueKind == JsonValueKind.String)
            ? [.. p.Value.EnumerateArray().Select(e => e.GetString()!)]
            : throw new StructuredOutputException($"structured_outputs.{p.Name} must be a list of texts.");
}
