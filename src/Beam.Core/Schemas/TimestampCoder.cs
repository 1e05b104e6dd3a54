using Beam.Coders;

namespace Beam.Schemas;

/// <summary>Eight bytes, as timestamps of elements are encoded; the logical type millis_instant.</summary>
internal sealed class TimestampCoder : Coder<Timestamp>
{
    internal static readonly TimestampCoder Instance = new();

    public override void Encode(Timestamp value, CoderWriter writer, bool nested) => writer.WriteTimestamp(value);

    public override Timestamp Decode(ref CoderReader reader, bool nested) => reader.ReadTimestamp();
}
