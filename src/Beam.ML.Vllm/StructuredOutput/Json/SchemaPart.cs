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

/// <summary>One of the conditions on a value.</summary>
/// <param name="Kind">What of the node counts.</param>
/// <param name="Node">The schema, or the list of schemas.</param>
internal readonly record struct SchemaPart(SchemaPartKind Kind, SchemaNode Node) : IComparable<SchemaPart>
{
    public string Path => Node.Path;

    public static SchemaPart Whole(SchemaNode node) => new(SchemaPartKind.Whole, node);

    /// <summary>The schema that is there under a name, in a keyword's object or list of schemas.</summary>
    public SchemaPart Below(params ReadOnlySpan<string> names)
    {
        var node = Node;
        foreach (var name in names) node = node.Below(name)!;
        return Whole(node);
    }

    /// <summary>The schemas of a keyword's list.</summary>
    public IEnumerable<SchemaPart> Each(string keyword) => Below(keyword).Node.Items.Select(Whole);

    /// <summary>In the order of the document.</summary>
    public int CompareTo(SchemaPart other) => (Kind, Node.Id).CompareTo((other.Kind, other.Node.Id));
}
