using System.Text.Json;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>Makes sure that of the schemas under <c>oneOf</c> no two hold for a value: an automaton cannot count them.</summary>
internal sealed class Exclusion(SchemaCompiler compiler)
{
    private const int MaxOptions = 256;
    private const int MaxDepth = 6;

    public void Check(SchemaPart part)
    {
        SchemaPart[] options = [.. part.Each("oneOf")];
        var count = options.Length;
        if (count > MaxOptions) throw SchemaKeywords.Wrong(part, "oneOf", $"a list of at most {MaxOptions} schemas");
        for (var i = 0; i < count; i++)
            for (var j = i + 1; j < count; j++)
                if (!Apart([options[i]], [options[j]], 0))
                    throw new StructuredOutputException(
                        $"The JSON schema's oneOf at '#{part.Path}' cannot be used: a value may fit both its schemas {i} and {j}, as far as can be told. Use anyOf, or give them different types or a property that is required and constant in each.");
    }

    // Whether surely no value fits both.
    private bool Apart(SchemaPart[] left, SchemaPart[] right, int depth)
    {
        if (depth > MaxDepth) return false;
        if (Own(left) is not { } a || Own(right) is not { } b) return false;
        if (a.Values is not null || b.Values is not null)
        {
            if (a.Values is { } values && b.Values is { } others) return !values.Exists(others.ToHashSet(new JsonValues(compiler.Work)).Contains);
            var (given, schema) = a.Values is { } x ? (x, b) : (b.Values!, a);
            compiler.Work.Charge(given.Count);
            return given.TrueForAll(v => !TypesAllow(schema, ValueCheck.TypeOf(v)));
        }
        if (!a.NamesTypes || !b.NamesTypes) return false;
        var common = a.Types.Where(t => TypesAllow(b, t)).Concat(b.Types.Where(t => TypesAllow(a, t))).ToHashSet();
        return common.All(type => type switch
        {
            "object" => ObjectsApart(a, b, depth),
            "integer" or "number" => RangesApart(a, b) || RangesApart(b, a),
            _ => false,
        });
    }

    private bool ObjectsApart(SchemaKeywords a, SchemaKeywords b, int depth)
    {
        foreach (var name in RequiredIn(a).Intersect(RequiredIn(b)))
        {
            compiler.Work.Charge(1);
            var (left, right) = (PropertyOf(a, name), PropertyOf(b, name));
            if (left.Length > 0 && right.Length > 0 && Apart(left, right, depth + 1)) return true;
        }
        return RequiredIn(a).Any(n => Excludes(b, n)) || RequiredIn(b).Any(n => Excludes(a, n));
    }

    private static bool RangesApart(SchemaKeywords low, SchemaKeywords high) => low.Maxima.Exists(max => high.Minima.Exists(min =>
        max.Value.CompareTo(min.Value) is var order && (order < 0 || (order == 0 && (max.Exclusive || min.Exclusive)))));

    private static bool TypesAllow(SchemaKeywords schema, string type) =>
        !schema.NamesTypes || schema.Types.Contains(type) || (type == "integer" && schema.Types.Contains("number"));

    private static bool Excludes(SchemaKeywords schema, string name) => schema.Parts.Any(p =>
        p.Node.TryGetProperty("additionalProperties", out var rest) && rest.ValueKind == JsonValueKind.False
        && !p.Node.TryGetProperty("patternProperties", out _)
        && !(p.Node.TryGetProperty("properties", out var known) && known.ValueKind == JsonValueKind.Object && known.TryGetProperty(name, out _)));

    private IEnumerable<string> RequiredIn(SchemaKeywords schema) => schema.Parts
        .Where(p => p.Node.TryGetProperty("required", out var list) && list.ValueKind == JsonValueKind.Array)
        .SelectMany(p => p.Each("required")).Where(n => n.Node.ValueKind == JsonValueKind.String).Select(n =>
        {
            compiler.Work.Charge(1);
            return n.Node.Text;
        });

    private static SchemaPart[] PropertyOf(SchemaKeywords schema, string name) =>
    [
        .. schema.Parts.Where(p => p.Node.TryGetProperty("properties", out var known) && known.ValueKind == JsonValueKind.Object && known.TryGetProperty(name, out _))
            .Select(p => p.Below("properties", name)),
    ];

    private SchemaKeywords? Own(SchemaPart[] parts) => parts is [var one] ? compiler.KeywordsOf(one) : null;
}
