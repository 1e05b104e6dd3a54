using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>Arrays, by their first items, the others, and how many there are.</summary>
internal sealed class ArraySchemas(SchemaCompiler compiler)
{
    public Expr Of(SchemaKeywords schema)
    {
        if (schema.MaxItems < schema.MinItems) return Expr.Never;
        var layout = compiler.Layout;
        var prefix = schema.Parts.Select(Prefix).ToArray();
        var rest = schema.Parts.Select((p, i) => Rest(p, prefix[i].Length > 0)).ToArray();
        var count = prefix.Max(p => p.Length);
        var max = schema.MaxItems;
        var closed = rest.Any(r => r is { Node.ValueKind: JsonValueKind.False }) || (count > 0 && !rest.Any(r => r is not null));
        if (closed) max = Math.Min(max ?? int.MaxValue, prefix.Select((p, i) => rest[i] is { Node.ValueKind: not JsonValueKind.False } ? int.MaxValue : p.Length).Where(n => n > 0).DefaultIfEmpty(0).Min());
        if (closed && rest.Select((r, i) => (r, i)).Any(x => x.r is { Node.ValueKind: JsonValueKind.False } && prefix[x.i].Length == 0)) max = 0;
        if (max < schema.MinItems) return Expr.Never;

        // From the last place backwards: what may follow so many items.
        Expr tail;
        var known = Math.Min(count, max ?? count);
        var other = max <= count ? Expr.Never : compiler.Compile(ItemAt(count));
        if (known == 0)
        {
            if (max == 0) return Brackets(Expr.Empty);
            tail = Expr.Seq(other, Expr.Repeat(Expr.Seq(layout.Comma, other), Math.Max(0, schema.MinItems - 1), max - 1), layout.Blanks);
            return Brackets(schema.MinItems == 0 ? Expr.Optional(tail) : tail);
        }
        tail = max <= count ? Expr.Empty : Expr.Repeat(Expr.Seq(layout.Comma, other), Math.Max(0, schema.MinItems - count), max - count);
        for (var i = known - 1; i > 0; i--)
        {
            var more = Expr.Seq(layout.Comma, compiler.Compile(ItemAt(i)), tail);
            tail = compiler.Grammar.Add("items", i >= schema.MinItems ? Expr.Optional(more) : more);
        }
        tail = Expr.Seq(compiler.Compile(ItemAt(0)), tail, layout.Blanks);
        return Brackets(schema.MinItems == 0 ? Expr.Optional(tail) : tail);

        Expr Brackets(Expr content) => Expr.Seq(Expr.Text("["), layout.Blanks, content, Expr.Text("]"));

        List<SchemaPart> ItemAt(int index)
        {
            var parts = new List<SchemaPart>();
            for (var i = 0; i < schema.Parts.Length; i++)
                if (index < prefix[i].Length) parts.Add(prefix[i][index]);
                else if (rest[i] is { } given) parts.Add(given);
            return parts;
        }
    }

    private static SchemaPart[] Prefix(SchemaPart part)
    {
        // Before Draft 2020-12 a list under items was what prefixItems is now.
        var name = part.Node.TryGetProperty("prefixItems", out var list) ? "prefixItems" : part.Node.TryGetProperty("items", out list) && list.ValueKind == JsonValueKind.Array ? "items" : null;
        if (name is null) return [];
        if (list.ValueKind != JsonValueKind.Array) throw SchemaKeywords.Wrong(part, name, "a list of schemas");
        return [.. part.Each(name)];
    }

    private static SchemaPart? Rest(SchemaPart part, bool hasPrefix)
    {
        if (part.Node.TryGetProperty("items", out var items) && items.ValueKind != JsonValueKind.Array) return part.Below("items");
        if (hasPrefix && part.Node.TryGetProperty("additionalItems", out _)) return part.Below("additionalItems");
        return !hasPrefix && part.Node.TryGetProperty("unevaluatedItems", out _) ? part.Below("unevaluatedItems") : null;
    }
}
