namespace Beam;

/// <summary>When a pane fired, relative to the watermark passing the end of its window.</summary>
public enum PaneTiming
{
    /// <summary>Before the watermark passed.</summary>
    Early = 0,

    /// <summary>When the watermark passed.</summary>
    OnTime = 1,

    /// <summary>After it, because of late data.</summary>
    Late = 2,

    /// <summary>The element did not come out of a trigger.</summary>
    Unknown = 3,
}

/// <summary>Which firing of its window an element came out of. The default value is <see cref="NoFiring"/>.</summary>
public readonly record struct PaneInfo
{
    // Flags (first, last, timing) in the low four bits, inverted so that default(PaneInfo) is NoFiring; the index above them.
    private readonly long _indexAndFlags;
    private readonly long _nonSpeculativeIndex;

    /// <summary>The pane of an element that did not come out of a trigger: first, last, unknown timing.</summary>
    public static readonly PaneInfo NoFiring;

    /// <summary>The only, on-time pane of a window.</summary>
    public static readonly PaneInfo OnTimeAndOnlyFiring = new(true, true, PaneTiming.OnTime, 0, 0);

    /// <summary>Describes a pane.</summary>
    /// <param name="isFirst">Whether it is the first of its window.</param>
    /// <param name="isLast">Whether it is the last of its window.</param>
    /// <param name="timing">Before, when or after the watermark passed the end of the window.</param>
    /// <param name="index">How many panes of the window came before it, at most 2^58.</param>
    /// <param name="nonSpeculativeIndex">How many of those were not early; -1 for an early pane.</param>
    public PaneInfo(bool isFirst, bool isLast, PaneTiming timing, long index, long nonSpeculativeIndex)
    {
        if (index is < 0 or > MaxIndex) throw new ArgumentOutOfRangeException(nameof(index), index, "A pane index is between 0 and 2^58.");
        if ((uint)timing > 3) throw new ArgumentOutOfRangeException(nameof(timing), timing, "Not a pane timing.");
        var flags = (isFirst ? 1 : 0) | (isLast ? 2 : 0) | ((int)timing << 2);
        _indexAndFlags = (index << 4) | (uint)(flags ^ 0xF);
        _nonSpeculativeIndex = nonSpeculativeIndex;
    }

    internal const long MaxIndex = 1L << 58;

    /// <summary>The four low bits of the wire format: first, last and timing.</summary>
    internal int Flags => (int)(_indexAndFlags & 0xF) ^ 0xF;

    internal static PaneInfo FromFlags(int flags, long index, long nonSpeculativeIndex) =>
        new((flags & 1) != 0, (flags & 2) != 0, (PaneTiming)((flags >> 2) & 3), index, nonSpeculativeIndex);

    /// <summary>Whether it is the first pane of its window.</summary>
    public bool IsFirst => (Flags & 1) != 0;

    /// <summary>Whether it is the last pane of its window.</summary>
    public bool IsLast => (Flags & 2) != 0;

    /// <summary>Before, when or after the watermark passed the end of the window.</summary>
    public PaneTiming Timing => (PaneTiming)(Flags >> 2);

    /// <summary>How many panes of the window came before it.</summary>
    public long Index => _indexAndFlags >> 4;

    /// <summary>How many panes of the window that were not early came before it; -1 for an early pane.</summary>
    public long NonSpeculativeIndex => _nonSpeculativeIndex;

    /// <inheritdoc/>
    public override string ToString() => this == NoFiring
        ? "PaneInfo.NoFiring"
        : $"PaneInfo(first={IsFirst}, last={IsLast}, {Timing}, index={Index}, nonSpeculativeIndex={NonSpeculativeIndex})";
}
