using Beam.Coders.Standard;
using Beam.Model;

namespace Beam.Coders.Windows;

/// <summary>The end as a timestamp, then the length in milliseconds as a varint.</summary>
internal sealed class IntervalWindowCoder : Coder<IntervalWindow>
{
    internal static readonly IntervalWindowCoder Instance = new();

    internal override string Urn => BeamUrns.Coders.IntervalWindow;

    public override void Encode(IntervalWindow value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        writer.WriteTimestamp(value.End);
        writer.WriteVarint(value.End.Milliseconds - value.Start.Milliseconds);
    }

    public override IntervalWindow Decode(ref CoderReader reader, bool nested)
    {
        var end = reader.ReadTimestamp();
        // Unsigned: a window over all of time is longer than a long is positive.
        var start = (Int128)end.Milliseconds - (ulong)reader.ReadVarint();
        if (start < long.MinValue) throw new CoderException($"A window begins before all time, before byte {reader.Position}.");
        return new IntervalWindow(new Timestamp((long)start), end);
    }
}
