using Beam.Coders;
using Google.Protobuf;

namespace Beam.Schemas;

/// <summary>Field types without parts.</summary>
public enum AtomicType
{
    /// <summary>A signed byte.</summary>
    Byte = 1,

    /// <summary>16 bits.</summary>
    Int16 = 2,

    /// <summary>32 bits.</summary>
    Int32 = 3,

    /// <summary>64 bits.</summary>
    Int64 = 4,

    /// <summary>IEEE 754, 32 bits.</summary>
    Float = 5,

    /// <summary>IEEE 754, 64 bits.</summary>
    Double = 6,

    /// <summary>Text.</summary>
    String = 7,

    /// <summary>True or false.</summary>
    Boolean = 8,

    /// <summary>Bytes.</summary>
    Bytes = 9,
}

/// <summary>The type of a field of a <see cref="Schema"/>. Immutable, compared by value.</summary>
public abstract record FieldType
{
    private protected FieldType()
    {
    }

    /// <summary>Whether a value may be null.</summary>
    public bool IsNullable { get; init; }

    /// <summary>The same type, with null among its values.</summary>
    public FieldType AsNullable() => this with { IsNullable = true };

    /// <summary>A signed byte.</summary>
    public static FieldType Byte { get; } = new AtomicFieldType(AtomicType.Byte);

    /// <summary>A short.</summary>
    public static FieldType Int16 { get; } = new AtomicFieldType(AtomicType.Int16);

    /// <summary>An int.</summary>
    public static FieldType Int32 { get; } = new AtomicFieldType(AtomicType.Int32);

    /// <summary>A long.</summary>
    public static FieldType Int64 { get; } = new AtomicFieldType(AtomicType.Int64);

    /// <summary>A float.</summary>
    public static FieldType Float { get; } = new AtomicFieldType(AtomicType.Float);

    /// <summary>A double.</summary>
    public static FieldType Double { get; } = new AtomicFieldType(AtomicType.Double);

    /// <summary>A string.</summary>
    public static FieldType String { get; } = new AtomicFieldType(AtomicType.String);

    /// <summary>A bool.</summary>
    public static FieldType Boolean { get; } = new AtomicFieldType(AtomicType.Boolean);

    /// <summary>Bytes.</summary>
    public static FieldType Bytes { get; } = new AtomicFieldType(AtomicType.Bytes);

    /// <summary>A list of elements.</summary>
    public static FieldType ArrayOf(FieldType element) => new ArrayFieldType(element);

    /// <summary>Elements that may be too many for memory.</summary>
    public static FieldType IterableOf(FieldType element) => new IterableFieldType(element);

    /// <summary>A map from keys to values.</summary>
    public static FieldType MapOf(FieldType key, FieldType value) => new MapFieldType(key, value);

    /// <summary>A row within the row.</summary>
    public static FieldType RowOf(Schema schema) => new RowFieldType(schema);
}

/// <summary>A type without parts.</summary>
/// <param name="Type">Which one.</param>
public sealed record AtomicFieldType(AtomicType Type) : FieldType;

/// <summary>A list.</summary>
/// <param name="Element">The type of the elements.</param>
public sealed record ArrayFieldType(FieldType Element) : FieldType;

/// <summary>Elements that may be too many for memory.</summary>
/// <param name="Element">The type of the elements.</param>
public sealed record IterableFieldType(FieldType Element) : FieldType;

/// <summary>A map.</summary>
/// <param name="Key">The type of the keys.</param>
/// <param name="Value">The type of the values.</param>
public sealed record MapFieldType(FieldType Key, FieldType Value) : FieldType;

/// <summary>A row within the row.</summary>
/// <param name="Schema">Its schema.</param>
public sealed record RowFieldType(Schema Schema) : FieldType;

/// <summary>A type that means more than its representation, such as a date that is represented as a number of days.</summary>
/// <param name="Urn">What the type is called.</param>
/// <param name="Representation">The type that its values have for those who do not know it.</param>
public sealed record LogicalFieldType(string Urn, FieldType Representation) : FieldType
{
    internal ByteString Payload { get; init; } = ByteString.Empty;

    internal Model.Pipeline.FieldType? ArgumentType { get; init; }

    /// <summary>The argument, such as the length of fixed_char.</summary>
    internal Model.Pipeline.FieldValue? Argument { get; init; }
}

/// <summary>A type that has a coder of the user's own; others see its bytes.</summary>
internal sealed record CodedFieldType(Coder Coder) : FieldType;
