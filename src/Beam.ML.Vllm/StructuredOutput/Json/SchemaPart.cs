using System.Text.Json;

namespace Beam.ML.Vllm.StructuredOutput.Json;

internal enum SchemaPartKind
{
    /// <summary>A schema with all that it says.</summary>
    Whole,

    /// <summary>What a schema says itself, without references and combinations.</summary>
    Own,

    /// <summary>A list of schemas of which one holds.</summary>
    AnyOf,
}

/// <summary>What references begin at: the document, or the nearest schema around that has an <c>$id</c> of its own.</summary>
internal sealed record SchemaRoot(string Path, JsonElement Node);

/// <summary>One of the conditions on a value.</summary>
/// <param name="Kind">What of the node counts.</param>
/// <param name="Path">Where it is: a JSON pointer into the document.</param>
/// <param name="Node">The schema, or the list of schemas.</param>
/// <param name="Root">Where references in it begin.</param>
internal readonly record struct SchemaPart(SchemaPartKind Kind, string Path, JsonElement Node, SchemaRoot Root)
{
    public static SchemaPart Of(SchemaRoot root) => new(SchemaPartKind.Whole, root.Path, root.Node, root);

    public string Key => $"{(int)Kind}{Path}";

    public SchemaPart Below(params ReadOnlySpan<string> names)
    {
        var (path, node) = (Path, Node);
        foreach (var name in names)
        {
            path += "/" + name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
            node = node.ValueKind == JsonValueKind.Array ? node[int.Parse(name, System.Globalization.CultureInfo.InvariantCulture)] : node.GetProperty(name);
        }
        return new SchemaPart(SchemaPartKind.Whole, path, node, HasId(node) ? new SchemaRoot(path, node) : Root);
    }

    // In older drafts one that begins with # is an anchor.
    private static bool HasId(JsonElement node) => node.ValueKind == JsonValueKind.Object && node.TryGetProperty("$id"u8, out var id)
        && id.ValueKind == JsonValueKind.String && !id.ValueEquals(""u8) && id.GetRawText()[1] != '#';
}
