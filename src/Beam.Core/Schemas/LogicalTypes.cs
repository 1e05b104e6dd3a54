using Beam.Coders;
using Beam.Coders.Standard;
using Beam.Model;

namespace Beam.Schemas;

/// <summary>The .NET types that stand for logical types.</summary>
internal static class LogicalTypes
{
    private static readonly FieldType SecondsAndMicros = PairOf("seconds", FieldType.Int64, "micros", FieldType.Int64);
    private static readonly FieldType SecondsAndNanos = PairOf("seconds", FieldType.Int64, "nanos", FieldType.Int32);
    private static readonly FieldType TwoHalves = PairOf("MostSignificantBits", FieldType.Int64, "LeastSignificantBits", FieldType.Int64);

    private static FieldType PairOf(string a, FieldType typeOfA, string b, FieldType typeOfB) =>
        FieldType.RowOf(new Schema(new Field(a, typeOfA), new Field(b, typeOfB)));

    /// <summary>The field type of a .NET type that needs a logical one; null for others.</summary>
    internal static FieldType? Of(Type type) =>
        type == typeof(Timestamp) ? new LogicalFieldType(BeamUrns.LogicalTypes.MillisInstant, FieldType.Int64)
        : type == typeof(DateTimeOffset) ? new LogicalFieldType(LogicalTypeUrns.NanosInstant, SecondsAndNanos)
        : type == typeof(TimeSpan) ? new LogicalFieldType(LogicalTypeUrns.NanosDuration, SecondsAndNanos)
        : type == typeof(DateOnly) ? new LogicalFieldType(BeamUrns.LogicalTypes.Date, FieldType.Int64)
        : type == typeof(TimeOnly) ? new LogicalFieldType(LogicalTypeUrns.Time, FieldType.Int64)
        : type == typeof(DateTime) ? new LogicalFieldType(LogicalTypeUrns.DotNetDateTime, FieldType.Int64)
        : type == typeof(decimal) ? new LogicalFieldType(BeamUrns.LogicalTypes.Decimal, FieldType.Bytes)
        : type == typeof(Guid) ? new LogicalFieldType(LogicalTypeUrns.Uuid, TwoHalves)
        : type == typeof(char) ? new LogicalFieldType(LogicalTypeUrns.DotNetChar, FieldType.Int32)
        : type == typeof(ulong) ? new LogicalFieldType(LogicalTypeUrns.DotNetUInt64, FieldType.Int64)
        : null;

    /// <summary>The coder of a logical type as <paramref name="hint"/>, or as what it is by nature; null if its representation must do.</summary>
    internal static Coder? CoderFor(LogicalFieldType type, Type? hint) => type.Urn switch
    {
        BeamUrns.LogicalTypes.MillisInstant when type.Representation == FieldType.Int64 =>
            Is<Timestamp>(hint) ? TimestampCoder.Instance
            : hint == typeof(DateTimeOffset)
                ? new ConvertedCoder<DateTimeOffset, Timestamp>(TimestampCoder.Instance, Timestamp.FromDateTimeOffset, InstantFormat.FromTimestamp)
            : null,
        BeamUrns.LogicalTypes.MicrosInstant when Is<DateTimeOffset>(hint) && IsPair(type) => InstantFormat.Micros(PairCoder.Of(type)),
        LogicalTypeUrns.NanosInstant when Is<DateTimeOffset>(hint) && IsPair(type) => InstantFormat.Nanos(PairCoder.Of(type)),
        LogicalTypeUrns.NanosDuration when Is<TimeSpan>(hint) && IsPair(type) => InstantFormat.Duration(PairCoder.Of(type)),
        LogicalTypeUrns.Uuid when Is<Guid>(hint) && IsPair(type) => InstantFormat.Uuid(PairCoder.Of(type)),
        BeamUrns.LogicalTypes.Date when Is<DateOnly>(hint) && type.Representation == FieldType.Int64 => InstantFormat.Date,
        LogicalTypeUrns.Time when Is<TimeOnly>(hint) && type.Representation == FieldType.Int64 => InstantFormat.Time,
        LogicalTypeUrns.DotNetDateTime when Is<DateTime>(hint) && type.Representation == FieldType.Int64 => InstantFormat.DateTime,
        BeamUrns.LogicalTypes.Decimal when Is<decimal>(hint) => DecimalCoder.Instance,
        LogicalTypeUrns.DotNetChar when Is<char>(hint) => IntegerCoder<char, Varint32Format>.Instance,
        LogicalTypeUrns.DotNetUInt64 when Is<ulong>(hint) => IntegerCoder<ulong, Varint64Format>.Instance,
        BeamUrns.LogicalTypes.FixedChar when Is<string>(hint) => new BoundedTextCoder(Length(type), isFixed: true),
        BeamUrns.LogicalTypes.VarChar when Is<string>(hint) => new BoundedTextCoder(Length(type), isFixed: false),
        BeamUrns.LogicalTypes.FixedBytes when Is<byte[]>(hint) => new BoundedBytesCoder(Length(type), isFixed: true),
        BeamUrns.LogicalTypes.VarBytes when Is<byte[]>(hint) => new BoundedBytesCoder(Length(type), isFixed: false),
        _ => null,
    };

    private static bool Is<T>(Type? hint) => hint is null || hint == typeof(T);

    private static bool IsPair(LogicalFieldType type) =>
        type.Representation is RowFieldType { Schema.Fields: [{ Type: AtomicFieldType { Type: AtomicType.Int64 } }, { Type: AtomicFieldType second }] } &&
        second.Type is AtomicType.Int64 or AtomicType.Int32;

    private static int Length(LogicalFieldType type) => type.Argument?.AtomicValue?.Int32 is > 0 and var length
        ? length
        : throw new CoderException($"The logical type {type.Urn} needs a length as its argument, and has {type.Argument}.");
}
