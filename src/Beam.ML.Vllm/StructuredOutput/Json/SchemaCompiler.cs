using System.Globalization;
using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>
/// Turns a JSON Schema (Draft 2020-12, and what older drafts call otherwise) into a grammar of the JSON texts that it accepts. What cannot be
/// followed exactly is refused by name, or allows less; it never allows what the schema does not.
/// </summary>
internal sealed class SchemaCompiler
{
    private readonly SchemaPart _document;
    private readonly Dictionary<string, Expr> _known = new(StringComparer.Ordinal);
    private readonly Queue<(int Rule, List<SchemaPart> Parts)> _pending = new();
    private readonly Dictionary<(string RootPath, string Name), SchemaPart> _anchors = [];
    private readonly ArraySchemas _arrays;
    private readonly ObjectSchemas _objects;
    private int _work;

    private SchemaCompiler(JsonElement root, JsonLayout layout)
    {
        (_document, Layout) = (SchemaPart.Of(new SchemaRoot("", root)), layout);
        (_arrays, _objects) = (new ArraySchemas(this), new ObjectSchemas(this));
        layout.Bind(Grammar);
        AnyCharacter = Grammar.Add("a character", JsonText.AnyCharacter);
        AnyString = Grammar.Add("a string", Expr.Seq(Expr.Text("\""), Expr.Star(JsonText.AnyCharacter), Expr.Text("\"")));
    }

    public Grammar Grammar { get; } = new();

    public JsonLayout Layout { get; }

    public Expr AnyString { get; }

    private Expr AnyCharacter { get; }

    /// <exception cref="StructuredOutputException">The schema is malformed, says what is not supported, or is too large.</exception>
    public static Grammar Compile(string schema, JsonLayout layout)
    {
        if (schema.Length > Limits.TextLength) throw new StructuredOutputException($"The JSON schema has {schema.Length} characters, and {Limits.TextLength} at most are allowed.");
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(schema, new JsonDocumentOptions { MaxDepth = Limits.Nesting });
        }
        catch (JsonException e)
        {
            throw new StructuredOutputException($"The JSON schema is not JSON: {e.Message}", e);
        }
        using (document)
        {
            var compiler = new SchemaCompiler(document.RootElement, layout);
            var root = compiler.Compile([compiler._document]);
            compiler.Grammar.Root = ((RuleExpr)root).Rule;
            while (compiler._pending.TryDequeue(out var item)) compiler.Grammar.Define(item.Rule, compiler.Build(item.Parts));
            return compiler.Grammar;
        }
    }

    /// <summary>Values for which all parts hold, as a rule, which the same parts share: a schema may refer to itself.</summary>
    public Expr Compile(IReadOnlyCollection<SchemaPart> parts)
    {
        var ordered = parts.DistinctBy(p => p.Key).OrderBy(p => p.Key, StringComparer.Ordinal).ToList();
        var key = string.Join('\n', ordered.Select(p => p.Key));
        if (_known.TryGetValue(key, out var known)) return known;
        var rule = Grammar.Declare(parts.Count == 0 ? "a value" : string.Join(" and ", ordered.Select(p => "#" + p.Path)));
        _pending.Enqueue((rule, ordered));
        return _known[key] = new RuleExpr(rule);
    }

    /// <summary>What a schema says; null if that depends on a choice.</summary>
    public SchemaKeywords? KeywordsOf(SchemaPart part)
    {
        var flat = new List<SchemaPart>();
        return Flatten(part, flat, [], []) && flat.TrueForAll(p => p.Kind == SchemaPartKind.Own) ? new SchemaKeywords(flat) : null;
    }

    private Expr Build(List<SchemaPart> parts)
    {
        var flat = new List<SchemaPart>();
        var seen = new HashSet<string>();
        foreach (var part in parts)
            if (!Flatten(part, flat, seen, [])) return Expr.Never;
        var choice = flat.FindIndex(p => p.Kind == SchemaPartKind.AnyOf);
        if (choice >= 0)
        {
            var (list, rest) = (flat[choice], flat.Where((_, i) => i != choice).ToList());
            return Expr.Alt([.. Enumerable.Range(0, list.Node.GetArrayLength()).Select(i => Compile([.. rest, list.Below(i.ToString(CultureInfo.InvariantCulture))]))]);
        }
        var keywords = new SchemaKeywords(flat);
        if (keywords.Values is { } values) return Expr.Alt([.. values.Where(v => ValueCheck.Fits(v, keywords)).Select(v => JsonText.Value(v, Layout))]);
        return Expr.Alt([.. keywords.Types.Select(type => OfType(type, keywords))]);
    }

    private Expr OfType(string type, SchemaKeywords schema) => type switch
    {
        "null" => Expr.Text("null"),
        "boolean" => Expr.Alt(Expr.Text("true"), Expr.Text("false")),
        "integer" => schema.Types.Contains("number") ? Expr.Never : NumberSchemas.Of(schema, integer: true),
        "number" => NumberSchemas.Of(schema, integer: false),
        "string" => schema is { Patterns.Count: 0, Formats.Count: 0, MinLength: 0, MaxLength: null } ? AnyString : StringSchemas.Of(schema, AnyCharacter),
        "array" => schema.Parts.Length == 0 ? AnyArray() : _arrays.Of(schema),
        _ => schema.Parts.Length == 0 ? AnyObject() : _objects.Of(schema),
    };

    private Expr AnyArray() => Brackets("[", Compile([]), "]");

    private Expr AnyObject() => Brackets("{", Expr.Seq(AnyString, Layout.Colon, Compile([])), "}");

    private Expr Brackets(string open, Expr item, string close) => Expr.Seq(
        Expr.Text(open), Layout.Blanks, Expr.Optional(Expr.Seq(item, Expr.Star(Expr.Seq(Layout.Comma, item)), Layout.Blanks)), Expr.Text(close));

    /// <summary>Takes a schema apart into what it says itself and choices; false if nothing can hold.</summary>
    private bool Flatten(SchemaPart part, List<SchemaPart> flat, HashSet<string> seen, HashSet<string> open)
    {
        if (++_work > Limits.SchemaWork) throw Limits.TooLarge("its share of combinations of anyOf, oneOf and allOf in its JSON schema");
        if (part.Kind != SchemaPartKind.Whole)
        {
            if (seen.Add(part.Key)) flat.Add(part);
            return true;
        }
        if (part.Node.ValueKind is JsonValueKind.True or JsonValueKind.False) return part.Node.ValueKind == JsonValueKind.True;
        if (part.Node.ValueKind != JsonValueKind.Object) throw new StructuredOutputException($"The JSON schema at '#{part.Path}' must be an object, true or false.");
        if (open.Contains(part.Path)) throw new StructuredOutputException($"The JSON schema at '#{part.Path}' refers to itself without getting any further.");
        if (!seen.Add(part.Key)) return true;
        if (open.Count > Limits.Nesting) throw new StructuredOutputException($"The JSON schema at '#{part.Path}' is reached by more than {Limits.Nesting} references in a row.");
        open.Add(part.Path);
        var possible = true;
        if (part.Node.TryGetProperty("$ref", out var reference)) possible &= Flatten(Resolve(part, reference), flat, seen, open);
        if (Schemas(part, "allOf") is { } all)
            for (var i = 0; i < all; i++) possible &= Flatten(part.Below("allOf", i.ToString(CultureInfo.InvariantCulture)), flat, seen, open);
        foreach (var name in (string[])["anyOf", "oneOf"])
        {
            if (Schemas(part, name) is not { } count) continue;
            if (count == 0) throw SchemaKeywords.Wrong(part, name, "a list of at least one schema");
            if (name == "oneOf") new Exclusion(this).Check(part);
            flat.Add(part.Below(name) with { Kind = SchemaPartKind.AnyOf });
        }
        flat.Add(part with { Kind = SchemaPartKind.Own });
        open.Remove(part.Path);
        return possible;
    }

    private static int? Schemas(SchemaPart part, string name) =>
        !part.Node.TryGetProperty(name, out var list) ? null : list.ValueKind == JsonValueKind.Array ? list.GetArrayLength() : throw SchemaKeywords.Wrong(part, name, "a list of schemas");

    /// <summary>The schema that a reference names: below the part's root, by a JSON pointer or an anchor.</summary>
    private SchemaPart Resolve(SchemaPart part, JsonElement reference)
    {
        var text = reference.ValueKind == JsonValueKind.String ? reference.GetString()! : throw SchemaKeywords.Wrong(part, "$ref", "a text");
        var root = SchemaPart.Of(part.Root);
        if (text == "#") return root;
        if (text.StartsWith('#') && !text.StartsWith("#/", StringComparison.Ordinal))
        {
            if (_anchors.Count == 0) FindAnchors(_document);
            if (_anchors.TryGetValue((root.Path, text[1..]), out var anchored)) return anchored;
        }
        if (!text.StartsWith("#/", StringComparison.Ordinal)) throw SchemaKeywords.Wrong(part, "$ref", $"a reference within the schema, such as '#/$defs/name'; got '{text}'");
        var found = root;
        foreach (var step in text[2..].Split('/'))
        {
            var name = Uri.UnescapeDataString(step).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            var exists = found.Node.ValueKind switch
            {
                JsonValueKind.Object => found.Node.TryGetProperty(name, out _),
                JsonValueKind.Array => int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < found.Node.GetArrayLength(),
                _ => false,
            };
            if (!exists) throw SchemaKeywords.Wrong(part, "$ref", $"the place of a schema; '{text}' is not there");
            found = found.Below(name);
        }
        return found;
    }

    private void FindAnchors(SchemaPart part)
    {
        if (part.Node.ValueKind == JsonValueKind.Object)
        {
            if (part.Node.TryGetProperty("$anchor", out var anchor) && anchor.ValueKind == JsonValueKind.String) _anchors.TryAdd((part.Root.Path, anchor.GetString()!), part);
            foreach (var property in part.Node.EnumerateObject()) FindAnchors(part.Below(property.Name));
        }
        else if (part.Node.ValueKind == JsonValueKind.Array)
            for (var i = 0; i < part.Node.GetArrayLength(); i++) FindAnchors(part.Below(i.ToString(CultureInfo.InvariantCulture)));
    }
}
