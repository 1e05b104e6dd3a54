using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>
/// Objects: the properties that the schema names, in its order, then others where it allows them. Where it names some and is silent about
/// others there are none, as in vLLM.
/// </summary>
internal sealed class ObjectSchemas(SchemaCompiler compiler)
{
    private sealed record Property(string Name, Expr Pair, bool Required);

    public Expr Of(SchemaKeywords schema)
    {
        var layout = compiler.Layout;
        var required = schema.Parts.SelectMany(Required).ToHashSet(StringComparer.Ordinal);
        List<string> names = [.. schema.Parts.SelectMany(p => NamesIn(p, "properties")).Concat(required).Distinct(StringComparer.Ordinal)];
        compiler.Work.Charge(names.Count);
        var patterns = Patterns(schema);
        var allowedNames = NameConditions(schema);

        var properties = new List<Property>(names.Count);
        foreach (var name in names)
        {
            var parts = PartsOf(schema, name, patterns);
            var possible = parts is not null && allowedNames.All(a => a.Matches(name, compiler.Work)) && !parts.Exists(p => p.Node.ValueKind == JsonValueKind.False);
            if (possible) properties.Add(new Property(name, Expr.Seq(Expr.Text(JsonText.Quote(name)), layout.Colon, compiler.Compile(parts!)), required.Contains(name)));
            else if (required.Contains(name)) return Expr.Never;
        }
        var others = Others(schema, names, patterns, allowedNames);
        return Expr.Seq(Expr.Text("{"), layout.Blanks, Content(schema, properties, others), Expr.Text("}"));
    }

    private Expr Content(SchemaKeywords schema, List<Property> properties, Expr? other)
    {
        var layout = compiler.Layout;
        var (min, max) = (schema.MinProperties, schema.MaxProperties);
        if (max < min) return Expr.Never;
        if (properties.Count == 0)
        {
            if (other is null || max == 0) return min == 0 ? Expr.Empty : Expr.Never;
            var some = Expr.Seq(other, Expr.Repeat(Expr.Seq(layout.Comma, other), Math.Max(0, min - 1), max - 1), layout.Blanks);
            return min == 0 ? Expr.Optional(some) : some;
        }
        var needed = properties.Count(p => p.Required);
        if (max is not null && (other is not null || max < properties.Count)) throw schema.Error("maxProperties is not supported beside properties");
        if (min > Math.Max(1, needed)) throw schema.Error("minProperties above 1 is not supported beside properties that are not required");

        // From the last one backwards: what starts with a property from here on, and what may follow the one before.
        var next = other is null ? Expr.Never : compiler.Grammar.Add("other properties", Expr.Seq(other, Expr.Star(Expr.Seq(layout.Comma, other))));
        var after = other is null ? Expr.Empty : Expr.Optional(Expr.Seq(layout.Comma, next));
        var requiredSeen = false;
        for (var i = properties.Count - 1; i >= 0; i--)
        {
            var pair = Expr.Seq(properties[i].Pair, after);
            requiredSeen |= properties[i].Required;
            next = compiler.Grammar.Add("properties", properties[i].Required ? pair : Expr.Alt(pair, next));
            var following = Expr.Seq(layout.Comma, next);
            after = compiler.Grammar.Add("more properties", requiredSeen ? following : Expr.Optional(following));
        }
        var content = Expr.Seq(next, layout.Blanks);
        return requiredSeen || min > 0 ? content : Expr.Optional(content);
    }

    /// <summary>What holds for a property that is named; null where it cannot be.</summary>
    private List<SchemaPart>? PartsOf(SchemaKeywords schema, string name, List<NamePattern> patterns)
    {
        var parts = new List<SchemaPart>();
        compiler.Work.Charge(schema.Parts.Length * (1 + patterns.Count));
        foreach (var part in schema.Parts)
        {
            var known = part.Node.TryGetProperty("properties", out var properties) && properties.TryGetProperty(name, out _);
            if (known) parts.Add(part.Below("properties", name));
            foreach (var pattern in patterns)
            {
                if (pattern.Owner.Node != part.Node || !pattern.Names.Matches(name, compiler.Work)) continue;
                parts.Add(pattern.Owner.Below("patternProperties", pattern.Text));
                known = true;
            }
            if (!known && Additional(part) is { } additional) parts.Add(additional);
        }
        return parts;
    }

    /// <summary>A name and a value that the schema does not name; null where there is none.</summary>
    private Expr? Others(SchemaKeywords schema, List<string> names, List<NamePattern> patterns, List<CharDfa> allowedNames)
    {
        var additional = schema.Parts.Select(Additional).Where(a => a is not null).Select(a => a!.Value).ToList();
        var closed = additional.Exists(a => a.Node.ValueKind == JsonValueKind.False) || (additional.Count == 0 && (names.Count > 0 || patterns.Count > 0));
        var options = new List<Expr>();
        for (var i = 0; i < patterns.Count; i++)
        {
            var own = patterns[i];
            var parts = new List<SchemaPart> { own.Owner.Below("patternProperties", own.Text) };
            foreach (var other in patterns.Where((_, j) => j != i))
                if (!own.Names.Intersect(other.Names, compiler.Work).IsEmpty()) throw schema.Error($"the patternProperties '{own.Text}' and '{other.Text}' may hold for the same name, which is not supported");
            parts.AddRange(schema.Parts.Where(p => p.Node != own.Owner.Node).Select(Additional).Where(a => a is not null).Select(a => a!.Value));
            if (parts.Exists(p => p.Node.ValueKind == JsonValueKind.False)) continue;
            var free = allowedNames.Aggregate(own.Names, (a, b) => a.Intersect(b, compiler.Work));
            options.Add(Pair(names.Count == 0 ? free : free.Intersect(OtherThan(names), compiler.Work), parts));
        }
        if (!closed)
        {
            if (names.Count == 0 && patterns.Count == 0 && allowedNames.Count == 0)
                options.Add(Expr.Seq(compiler.AnyString, compiler.Layout.Colon, compiler.Compile(additional)));
            else
            {
                var free = OtherThan(names);
                foreach (var pattern in patterns) free = free.Intersect(pattern.Names.Complement(compiler.Work), compiler.Work);
                options.Add(Pair(allowedNames.Aggregate(free, (a, b) => a.Intersect(b, compiler.Work)), additional));
            }
        }
        return options.Count == 0 ? null : compiler.Grammar.Add("another property", Expr.Alt(options));
    }

    private Expr Pair(CharDfa names, List<SchemaPart> value) => names.IsEmpty()
        ? Expr.Never
        : Expr.Seq(Expr.Text("\""), new DfaExpr(names, JsonText.Characters), Expr.Text("\""), compiler.Layout.Colon, compiler.Compile(value));

    private static Expr OneOf(IEnumerable<string> names) => Expr.Alt([.. names.Select(Expr.Text)]);

    private CharDfa OtherThan(List<string> names) => CharDfa.Of(OneOf(names), compiler.Work).Complement(compiler.Work);

    private sealed record NamePattern(SchemaPart Owner, string Text, CharDfa Names);

    private List<NamePattern> Patterns(SchemaKeywords schema) =>
        [.. schema.Parts.SelectMany(part => NamesIn(part, "patternProperties").Select(p => new NamePattern(part, p, CharDfa.Of(RegexParser.Parse(p, compiler.Work, search: true), compiler.Work))))];

    private List<CharDfa> NameConditions(SchemaKeywords schema)
    {
        var conditions = new List<CharDfa>();
        foreach (var part in schema.Parts)
        {
            if (!part.Node.TryGetProperty("propertyNames", out _)) continue;
            var own = compiler.KeywordsOf(part.Below("propertyNames")) ?? throw SchemaKeywords.Unsupported(part, "propertyNames");
            conditions.Add(own.Values is { } values
                ? CharDfa.Of(OneOf(values.Where(v => v.ValueKind == JsonValueKind.String).Select(v => v.GetString()!)), compiler.Work).Intersect(own.Texts, compiler.Work)
                : own.Texts);
        }
        return conditions;
    }

    private static SchemaPart? Additional(SchemaPart part) =>
        part.Node.TryGetProperty("additionalProperties", out _) ? part.Below("additionalProperties")
        : part.Node.TryGetProperty("unevaluatedProperties", out _) ? part.Below("unevaluatedProperties")
        : null;

    private static IEnumerable<string> NamesIn(SchemaPart part, string keyword)
    {
        if (!part.Node.TryGetProperty(keyword, out var list)) return [];
        if (list.ValueKind != JsonValueKind.Object) throw SchemaKeywords.Wrong(part, keyword, "an object of schemas");
        return list.Names;
    }

    private static IEnumerable<string> Required(SchemaPart part)
    {
        if (!part.Node.TryGetProperty("required", out var list) || list.ValueKind is JsonValueKind.True or JsonValueKind.False) return [];
        if (list.ValueKind != JsonValueKind.Array || list.Items.Any(n => n.ValueKind != JsonValueKind.String)) throw SchemaKeywords.Wrong(part, "required", "a list of names");
        return list.Items.Select(n => n.Text);
    }
}
