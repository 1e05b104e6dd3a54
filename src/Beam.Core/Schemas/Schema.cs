using Beam.Coders;

namespace Beam.Schemas;

/// <summary>One field of a <see cref="Schema"/>.</summary>
/// <param name="Name">Its name, unique within the schema.</param>
/// <param name="Type">Its type.</param>
public sealed record Field(string Name, FieldType Type)
{
    /// <summary>What it is, for people.</summary>
    public string Description { get; init; } = "";
}

/// <summary>The names and types of the fields of a row. Immutable; two schemas are equal if their fields are.</summary>
public sealed class Schema : IEquatable<Schema>
{
    private readonly Dictionary<string, int> _indexes;

    /// <summary>A schema of these fields.</summary>
    /// <exception cref="ArgumentException">Two fields have the same name.</exception>
    public Schema(params IEnumerable<Field> fields)
        : this([.. fields], null, null)
    {
    }

    internal Schema(Field[] fields, int[]? encodingOrder, Model.Pipeline.Schema? proto)
    {
        Fields = fields;
        EncodingOrder = encodingOrder ?? [.. Enumerable.Range(0, fields.Length)];
        Proto = proto;
        _indexes = new(fields.Length, StringComparer.Ordinal);
        for (var i = 0; i < fields.Length; i++)
            if (!_indexes.TryAdd(fields[i].Name, i)) throw new ArgumentException($"A schema has two fields that are called '{fields[i].Name}'.");
    }

    /// <summary>The fields, in the order of their declaration.</summary>
    public IReadOnlyList<Field> Fields { get; }

    /// <summary>The indexes of the fields in the order in which they are encoded.</summary>
    internal int[] EncodingOrder { get; }

    /// <summary>What the schema was read from, which may say more (options, ids) than is of use here.</summary>
    internal Model.Pipeline.Schema? Proto { get; }

    /// <summary>The index of a field; -1 if there is none of that name.</summary>
    public int IndexOf(string name) => _indexes.GetValueOrDefault(name, -1);

    /// <summary>The coder of rows of this schema, to be registered or given to a transform.</summary>
    public Coder<Row> CreateCoder() => new DynamicRowCoder(this);

    /// <inheritdoc/>
    public bool Equals(Schema? other) =>
        other is not null && (ReferenceEquals(this, other) ||
            (Fields.SequenceEqual(other.Fields) && EncodingOrder.AsSpan().SequenceEqual(other.EncodingOrder)));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Schema);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var field in Fields) hash.Add(field.Name);
        return hash.ToHashCode();
    }

    /// <summary>The names of the fields.</summary>
    public override string ToString() => $"Schema({string.Join(", ", Fields.Select(f => f.Name))})";
}
