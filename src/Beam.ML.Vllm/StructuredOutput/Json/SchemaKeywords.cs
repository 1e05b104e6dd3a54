using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>What one or several schemas say themselves, taken together: all of it must hold.</summary>
internal sealed class SchemaKeywords
{
    private static readonly string[] AllTypes = ["null", "boolean", "integer", "number", "string", "array", "object"];

    // They restrict values in a way that no automaton of ours follows.
    private static readonly string[] Refused =
    [
        "not", "if", "dependentRequired", "dependentSchemas", "dependencies", "contains", "$dynamicRef", "$recursiveRef", "disallow", "extends", "divisibleBy",
    ];

    private static readonly (string Type, string[] Names)[] Telling =
    [
        ("object", ["properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties"]),
        ("array", ["items", "prefixItems", "minItems", "maxItems", "unevaluatedItems", "uniqueItems"]),
        ("string", ["pattern", "minLength", "maxLength", "format"]),
        ("number", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
    ];

    // To ask a schema for each of the keywords takes as long as it takes to read some characters.
    private const int StepsOfPart = 32;

    private HashSet<string>? _types;
    private readonly HashSet<string> _told = [];
    private readonly Lazy<CharDfa> _texts;

    public SchemaKeywords(IEnumerable<SchemaPart> parts, WorkBudget work)
    {
        (Parts, Work) = ([.. parts], work);
        _texts = new(() => StringSchemas.TextsOf(this));
        foreach (var part in Parts) Read(part);
    }

    /// <summary>What compiling it is charged to.</summary>
    public WorkBudget Work { get; }

    /// <summary>The schemas, for what is said of the values within arrays and objects.</summary>
    public SchemaPart[] Parts { get; }

    /// <summary>Values of which it must be one; null for any.</summary>
    public List<JsonElement>? Values { get; private set; }

    /// <summary>The texts that a string may be, by its length, patterns and formats.</summary>
    public CharDfa Texts => _texts.Value;

    public int MinLength { get; private set; }

    public int? MaxLength { get; private set; }

    public List<string> Patterns { get; } = [];

    public List<string> Formats { get; } = [];

    public List<(Decimals Value, bool Exclusive)> Minima { get; } = [];

    public List<(Decimals Value, bool Exclusive)> Maxima { get; } = [];

    public List<Decimals> Multiples { get; } = [];

    public int MinItems { get; private set; }

    public int? MaxItems { get; private set; }

    public int MinProperties { get; private set; }

    public int? MaxProperties { get; private set; }

    public string Path => Parts.Length == 0 || Parts[0].Path.Length == 0 ? "the schema" : $"the schema at '{Parts[0].Path}'";

    /// <summary>
    /// The types that are allowed. Where no type is named, keywords of one type (properties, say) tell that it is meant; this allows less
    /// than the specification does, and nothing that it does not.
    /// </summary>
    public IReadOnlyCollection<string> Types => _types ?? (_told.Count > 0 ? _told : [.. AllTypes.Where(t => t != "integer")]);

    /// <summary>Whether it names types.</summary>
    public bool NamesTypes => _types is not null;

    /// <summary>Whether neither a type is named nor anything said that is of one type.</summary>
    public bool IsFreeOfTypes => _types is null && _told.Count == 0;

    /// <summary>Whether it says anything of what is within arrays, or within objects.</summary>
    public bool HasContentKeywords(string type) => _told.Contains(type);

    public StructuredOutputException Error(string problem) => new($"{char.ToUpperInvariant(Path[0])}{Path[1..]} cannot be used: {problem}.");

    private void Read(SchemaPart part)
    {
        var schema = part.Node;
        Work.Charge(StepsOfPart);
        foreach (var name in Refused)
            if (schema.TryGetProperty(name, out _)) throw Unsupported(part, name);
        foreach (var (type, names) in Telling)
            if (names.Any(n => schema.TryGetProperty(n, out _))) _told.Add(type);
        if (schema.TryGetProperty("uniqueItems", out var unique) && unique.ValueKind == JsonValueKind.True) throw Unsupported(part, "uniqueItems");
        foreach (var name in (string[])["unevaluatedProperties", "unevaluatedItems"])
            if (schema.TryGetProperty(name, out var rest) && rest.ValueKind != JsonValueKind.False) throw Unsupported(part, name);
        if (schema.TryGetProperty("type", out var types)) ReadTypes(part, types);
        if (schema.TryGetProperty("const", out var value)) Restrict([value.Json]);
        if (schema.TryGetProperty("enum", out var values))
            Restrict(values.ValueKind == JsonValueKind.Array ? [.. values.Items.Select(v => v.Json)] : throw Wrong(part, "enum", "a list"));
        MinLength = Math.Max(MinLength, Count(part, "minLength") ?? 0);
        MaxLength = Least(MaxLength, Count(part, "maxLength"));
        MinItems = Math.Max(MinItems, Count(part, "minItems") ?? 0);
        MaxItems = Least(MaxItems, Count(part, "maxItems"));
        MinProperties = Math.Max(MinProperties, Count(part, "minProperties") ?? 0);
        MaxProperties = Least(MaxProperties, Count(part, "maxProperties"));
        if (Text(part, "pattern") is { } pattern) Patterns.Add(pattern);
        if (Text(part, "format") is { } format) Formats.Add(format);
        // Draft 4 has the exclusive ones as flags.
        if (Number(part, "minimum") is { } minimum) Minima.Add((minimum, Flag(part, "exclusiveMinimum")));
        if (Number(part, "maximum") is { } maximum) Maxima.Add((maximum, Flag(part, "exclusiveMaximum")));
        if (Number(part, "exclusiveMinimum") is { } above) Minima.Add((above, true));
        if (Number(part, "exclusiveMaximum") is { } below) Maxima.Add((below, true));
        if (Number(part, "multipleOf") is { } multiple) Multiples.Add(multiple);
    }

    private void ReadTypes(SchemaPart part, SchemaNode value)
    {
        string[] named = value.ValueKind switch
        {
            JsonValueKind.String => [value.Text],
            JsonValueKind.Array when value.Items.All(t => t.ValueKind == JsonValueKind.String) => [.. value.Items.Select(t => t.Text)],
            _ => throw Wrong(part, "type", "the name of a type or a list of them"),
        };
        if (Array.Find(named, n => !AllTypes.Contains(n)) is { } unknown) throw Wrong(part, "type", $"one of {string.Join(", ", AllTypes)}; got '{unknown}'");
        var allowed = new HashSet<string>(named);
        if (Flag(part, "nullable")) allowed.Add("null");
        if (_types is null) _types = allowed;
        else
        {
            // An integer is a number: where one asks for numbers and the other for integers, integers it is.
            if (_types.Contains("number") && allowed.Contains("integer") && !allowed.Contains("number")) _types.Add("integer");
            if (allowed.Contains("number") && _types.Contains("integer") && !_types.Contains("number")) allowed.Add("integer");
            _types.IntersectWith(allowed);
        }
    }

    private void Restrict(List<JsonElement> values)
    {
        Work.Charge(values.Count);
        Values = Values is null ? values : [.. Values.Where(values.ToHashSet(new JsonValues(Work)).Contains)];
    }

    private static int? Least(int? a, int? b) => a is null ? b : b is null ? a : Math.Min(a.Value, b.Value);

    private int? Count(SchemaPart part, string name)
    {
        if (Number(part, name) is not { } number) return null;
        if (number.IsNegative || number.Fraction.Length > 0) throw Wrong(part, name, "a count");
        return number.Integer.Length <= 9 ? int.Parse("0" + number.Integer, System.Globalization.CultureInfo.InvariantCulture) is var count && count <= Limits.Repetition ? count : Large() : Large();

        int Large() => name.StartsWith("max", StringComparison.Ordinal)
            ? Limits.Repetition
            : throw Wrong(part, name, $"at most {Limits.Repetition}");
    }

    private Decimals? Number(SchemaPart part, string name)
    {
        if (!part.Node.TryGetProperty(name, out var value) || value.ValueKind is JsonValueKind.True or JsonValueKind.False) return null;
        if (value.ValueKind != JsonValueKind.Number) throw Wrong(part, name, "a number");
        var text = value.Json.GetRawText();
        Work.Charge(text.Length);
        return Decimals.TryParse(text, out var number) ? number : throw Wrong(part, name, $"a number of at most {Decimals.MostDigits} digits");
    }

    private static string? Text(SchemaPart part, string name) =>
        !part.Node.TryGetProperty(name, out var value) ? null : value.ValueKind == JsonValueKind.String ? value.Text : throw Wrong(part, name, "a text");

    private static bool Flag(SchemaPart part, string name) => part.Node.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    internal static StructuredOutputException Unsupported(SchemaPart part, string keyword) =>
        new($"The JSON schema's keyword '{keyword}' at '#{part.Path}' is not supported, and leaving it out would let wrong values through. Remove it, or say the same by other keywords.");

    internal static StructuredOutputException Wrong(SchemaPart part, string keyword, string expected) =>
        new($"The JSON schema's keyword '{keyword}' at '#{part.Path}' must be {expected}.");
}
