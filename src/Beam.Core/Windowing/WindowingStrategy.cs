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

    /// <summary>Whether windows that would merge have done so, in a grouping before: they stay as they are in the next.</summary>
    internal bool IsAlreadyMerged { get; init; }

    /// <summary>Whether groups are emitted as elements come, instead of at the end of their window.</summary>
    internal bool FiresPerElement { get; init; }

    /// <summary>How the results of a grouping are windowed.</summary>
    internal WindowingStrategy AfterGrouping() => WindowFn.IsMerging ? this with { IsAlreadyMerged = true } : this;

    /// <summary>Windows through which elements pass as they are, without waiting.</summary>
    internal WindowingStrategy Passing() => AfterGrouping() with { FiresPerElement = true, TimestampCombiner = TimestampCombiner.Earliest };
}
