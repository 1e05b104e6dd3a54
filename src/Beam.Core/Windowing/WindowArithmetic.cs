using Google.Protobuf.WellKnownTypes;

namespace Beam;

/// <summary>Beginnings and ends of windows, kept within the range of timestamps.</summary>
internal static class WindowArithmetic
{
    /// <summary>The latest <c>offset + n × step</c> that is not after <paramref name="milliseconds"/>.</summary>
    public static long FloorTo(long milliseconds, long step, long offset)
    {
        var remainder = (milliseconds - offset) % step;
        return milliseconds - (remainder < 0 ? remainder + step : remainder);
    }

    /// <summary>The window of a length from a beginning, cut where time ends.</summary>
    public static IntervalWindow Interval(long start, long length)
    {
        var from = Math.Max(start, Timestamp.MinValue.Milliseconds);
        var to = Math.Min(start + length, Timestamp.MaxValue.Milliseconds);
        return new IntervalWindow(Timestamp.FromMilliseconds(from), Timestamp.FromMilliseconds(to));
    }

    /// <summary>The proto's offset of windows, which is written as a moment after the epoch.</summary>
    public static Google.Protobuf.WellKnownTypes.Timestamp ToEpoch(this Duration offset) => new() { Seconds = offset.Seconds, Nanos = offset.Nanos };
}
