using System.Collections;

namespace Beam.Schemas;

/// <summary>
/// Values under a <see cref="Schema"/>, for data whose type is known at run time only. Types of values: sbyte, short, int, long, float,
/// double, string, bool, byte[], <see cref="IReadOnlyList{T}"/>, <see cref="IEnumerable{T}"/>,
/// <see cref="IReadOnlyDictionary{TKey, TValue}"/>, <see cref="Row"/>, and for logical types <see cref="Timestamp"/>,
/// <see cref="DateTimeOffset"/>, <see cref="DateOnly"/>, <see cref="decimal"/> and so on; an unknown logical type has its representation.
/// </summary>
public sealed class Row : IEquatable<Row>
{
    private readonly object?[] _values;

    /// <summary>A row of these values, in the order of the schema's fields.</summary>
    /// <exception cref="ArgumentException">There are more or fewer values than fields.</exception>
    public Row(Schema schema, params ReadOnlySpan<object?> values)
    {
        if (values.Length != schema.Fields.Count)
            throw new ArgumentException($"{schema} has {schema.Fields.Count} fields, and {values.Length} values were given.", nameof(values));
        Schema = schema;
        _values = values.ToArray();
    }

    /// <summary>The schema.</summary>
    public Schema Schema { get; }

    /// <summary>The value of the field of this index.</summary>
    public object? this[int index] => _values[index];

    /// <summary>The value of the field of this name.</summary>
    /// <exception cref="ArgumentException">There is no such field.</exception>
    public object? this[string name] => Schema.IndexOf(name) is >= 0 and var index
        ? _values[index]
        : throw new ArgumentException($"{Schema} has no field '{name}'.", nameof(name));

    /// <summary>The value of the field of this name, as the type that the caller knows it to have.</summary>
    /// <exception cref="InvalidCastException">It has another type.</exception>
    public T? Get<T>(string name) => this[name] switch
    {
        null => default,
        T value => value,
        var other => throw new InvalidCastException($"The field '{name}' holds a {other.GetType()}, not a {typeof(T)}."),
    };

    /// <summary>Compares schemas and values, collections by their elements.</summary>
    public bool Equals(Row? other) => other is not null && Schema.Equals(other.Schema) && ValuesEqual(_values, other._values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Row);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var value in _values)
            if (value is not IEnumerable || value is string) hash.Add(value);
        return hash.ToHashCode();
    }

    /// <summary>Names and values.</summary>
    public override string ToString() =>
        $"Row({string.Join(", ", Schema.Fields.Zip(_values, (field, value) => $"{field.Name}={Text(value)}"))})";

    private static string Text(object? value) => value switch
    {
        null => "null",
        string text => text,
        IEnumerable values => $"[{string.Join(", ", values.Cast<object?>().Select(Text))}]",
        _ => value.ToString() ?? "",
    };

    private static bool ValuesEqual(object? left, object? right)
    {
        if (left is null || right is null) return left is null && right is null;
        if (left is string || right is string) return left.Equals(right);
        if (left is IDictionary a && right is IDictionary b)
        {
            if (a.Count != b.Count) return false;
            foreach (DictionaryEntry entry in a)
                if (!b.Contains(entry.Key) || !ValuesEqual(entry.Value, b[entry.Key])) return false;
            return true;
        }

        return left is IEnumerable x && right is IEnumerable y
            ? x.Cast<object?>().SequenceEqual(y.Cast<object?>(), ByContent.Instance)
            : left.Equals(right);
    }

    private sealed class ByContent : IEqualityComparer<object?>
    {
        internal static readonly ByContent Instance = new();

        bool IEqualityComparer<object?>.Equals(object? x, object? y) => ValuesEqual(x, y);

        int IEqualityComparer<object?>.GetHashCode(object obj) => 0;
    }
}
