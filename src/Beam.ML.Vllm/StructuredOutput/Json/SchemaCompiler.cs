using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>
/// Turns a JSON Schema (Draft 2020-12, and what older drafts call otherwise) into a grammar of the JSON texts that it accepts. What cannot be
/// followed exactly is refused by name, or allows less; it never allows what the schema does not.
/// </summary>
internal sealed class SchemaCompiler
{
    // Looking at what a schema says takes about as long as so many characters.
    private const int StepsOfPart = 16;

    private readonly Dictionary<string, Expr> _known = new(StringComparer.Ordinal);
    private readonly Dictionary<SchemaPart, SchemaKeywords?> _keywords = [];
    private readonly Queue<(int Rule, List<SchemaPart> Parts)> _pending = new();
    private readonly ArraySchemas _arrays;
    private readonly ObjectSchemas _objects;

    private SchemaCompiler(JsonLayout layout, WorkBudget work)
    {
        (Layout, Work) = (layout, work);
        (_arrays, _objects) = (new ArraySchemas(this), new ObjectSchemas(this));
        layout.Bind(Grammar);
        AnyCharacter = Grammar.Add("a character", JsonText.AnyCharacter);
        AnyString = Grammar.Add("a string", Expr.Seq(Expr.Text("\""), Expr.Star(JsonText.AnyCharacter), Expr.Text("\"")));
    }

    public Grammar Grammar { get; } = new();

    public JsonLayout Layout { get; }

    public Expr AnyString { get; }

    private Expr AnyCharacter { get; }

    /// <summary>What compiling is charged to.</summary>
    public WorkBudget Work { get; }

    /// <exception cref="StructuredOutputException">The schema is malformed, says what is not supported, or is too large.</exception>
    public static Grammar Compile(string schema, JsonLayout layout, WorkBudget work)
    {
        var compiler = new SchemaCompiler(layout, work);
        var root = compiler.Compile([SchemaPart.Whole(SchemaNode.Read(schema, work))]);
        compiler.Grammar.Root = ((RuleExpr)root).Rule;
        while (compiler._pending.TryDequeue(out var item)) compiler.Grammar.Define(item.Rule, compiler.Build(item.Parts));
        return compiler.Grammar;
    }

    /// <summary>Values for which all parts hold, as a rule, which the same parts share: a schema may refer to itself.</summary>
    public Expr Compile(IReadOnlyCollection<SchemaPart> parts)
    {
        Work.Charge(parts.Count + 1);
        List<SchemaPart> ordered = [.. parts.Distinct().Order()];
        var key = string.Join(' ', ordered.Select(p => $"{(int)p.Kind}{p.Node.Id:x}"));
        if (_known.TryGetValue(key, out var known)) return known;
        var rule = Grammar.Declare(ordered.Count == 0 ? "a value" : "#" + ordered[0].Path + (ordered.Count == 1 ? "" : " and others"));
        _pending.Enqueue((rule, ordered));
        return _known[key] = new RuleExpr(rule);
    }

    /// <summary>What a schema says; null if that depends on a choice.</summary>
    public SchemaKeywords? KeywordsOf(SchemaPart part)
    {
        if (_keywords.TryGetValue(part, out var known)) return known;
        var flat = new List<SchemaPart>();
        return _keywords[part] = Flatten(part, flat, [], []) && flat.TrueForAll(p => p.Kind == SchemaPartKind.Own) ? new SchemaKeywords(flat, Work) : null;
    }

    private Expr Build(List<SchemaPart> parts)
    {
        var flat = new List<SchemaPart>();
        var seen = new HashSet<SchemaPart>();
        foreach (var part in parts)
            if (!Flatten(part, flat, seen, [])) return Expr.Never;
        var choice = flat.FindIndex(p => p.Kind == SchemaPartKind.AnyOf);
        if (choice >= 0)
        {
            var (list, rest) = (flat[choice], flat.Where((_, i) => i != choice).ToList());
            return Expr.Alt([.. list.Node.Items.Select(option => Compile([.. rest, SchemaPart.Whole(option)]))]);
        }
        var keywords = new SchemaKeywords(flat, Work);
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
    private bool Flatten(SchemaPart part, List<SchemaPart> flat, HashSet<SchemaPart> seen, HashSet<SchemaNode> open)
    {
        Work.Charge(StepsOfPart);
        if (part.Kind != SchemaPartKind.Whole)
        {
            if (seen.Add(part)) flat.Add(part);
            return true;
        }
        if (part.Node.ValueKind is JsonValueKind.True or JsonValueKind.False) return part.Node.ValueKind == JsonValueKind.True;
        if (part.Node.ValueKind != JsonValueKind.Object) throw new StructuredOutputException($"The JSON schema at '#{part.Path}' must be an object, true or false.");
        if (open.Contains(part.Node)) throw new StructuredOutputException($"The JSON schema at '#{part.Path}' refers to itself without getting any further.");
        if (!seen.Add(part)) return true;
        if (open.Count > Limits.Nesting) throw new StructuredOutputException($"The JSON schema at '#{part.Path}' is reached by more than {Limits.Nesting} references in a row.");
        open.Add(part.Node);
        var possible = true;
        if (part.Node.TryGetProperty("$ref", out var reference)) possible &= Flatten(Resolve(part, reference), flat, seen, open);
        if (HasSchemas(part, "allOf"))
            foreach (var each in part.Each("allOf")) possible &= Flatten(each, flat, seen, open);
        foreach (var name in (string[])["anyOf", "oneOf"])
        {
            if (!HasSchemas(part, name)) continue;
            if (part.Below(name).Node.Items.Count == 0) throw SchemaKeywords.Wrong(part, name, "a list of at least one schema");
            if (name == "oneOf") new Exclusion(this).Check(part);
            flat.Add(part.Below(name) with { Kind = SchemaPartKind.AnyOf });
        }
        flat.Add(part with { Kind = SchemaPartKind.Own });
        open.Remove(part.Node);
        return possible;
    }

    private static bool HasSchemas(SchemaPart part, string name) =>
        part.Node.TryGetProperty(name, out var list) && (list.ValueKind == JsonValueKind.Array ? true : throw SchemaKeywords.Wrong(part, name, "a list of schemas"));

    /// <summary>The schema that a reference names: below the part's root, by a JSON pointer or an anchor.</summary>
    private SchemaPart Resolve(SchemaPart part, SchemaNode reference)
    {
        var text = reference.ValueKind == JsonValueKind.String ? reference.Text : throw SchemaKeywords.Wrong(part, "$ref", "a text");
        Work.Charge(text.Length);
        var found = part.Node.Root;
        if (text == "#") return SchemaPart.Whole(found);
        if (text.StartsWith('#') && !text.StartsWith("#/", StringComparison.Ordinal) && found.Anchored(text[1..]) is { } anchored) return SchemaPart.Whole(anchored);
        if (!text.StartsWith("#/", StringComparison.Ordinal)) throw SchemaKeywords.Wrong(part, "$ref", $"a reference within the schema, such as '#/$defs/name'; got '{text}'");
        foreach (var step in text[2..].Split('/'))
        {
            var name = Uri.UnescapeDataString(step).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            found = found.Below(name) ?? throw SchemaKeywords.Wrong(part, "$ref", $"the place of a schema; '{text}' is not there");
        }
        return SchemaPart.Whole(found);
    }
}
