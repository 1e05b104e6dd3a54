namespace Beam;

/// <summary>The event time that a group of elements has.</summary>
public enum TimestampCombiner
{
    /// <summary>The end of the window.</summary>
    EndOfWindow,

    /// <summary>The earliest element's.</summary>
    Earliest,

    /// <summary>The latest element's.</summary>
    Latest,
}

/// <summary>How a collection is windowed.</summary>
/// <param name="WindowFn">Puts elements into windows.</param>
/// <param name="TimestampCombiner">The event time of groups.</param>
/// <param name="AllowedLateness">How long after a window's end its late elements still count.</param>
public sealed record WindowingStrategy(
    WindowFn WindowFn,
    TimestampCombiner TimestampCombiner = TimestampCombiner.EndOfWindow,
    TimeSpan AllowedLateness = default)
{
    /// <summary>One window for all time.</summary>
    public static WindowingStrategy Default { get; } = new(GlobalWindows.Instance);
}
