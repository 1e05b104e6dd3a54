using Beam.Coders.Windows;
using Beam.Model.Pipeline;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Coder = Beam.Coders.Coder;

namespace Beam;

/// <summary>One window for all time.</summary>
public sealed record GlobalWindows : WindowFn
{
    /// <summary>The function.</summary>
    public static GlobalWindows Instance { get; } = new();

    /// <inheritdoc/>
    public override IReadOnlyList<BoundedWindow> Assign(Timestamp timestamp) => GlobalWindow.Windows;

    /// <inheritdoc/>
    public override BoundedWindow SideInputWindow(BoundedWindow mainWindow) => GlobalWindow.Instance;

    internal override Coder WindowCoder => GlobalWindowCoder.Instance;

    internal override FunctionSpec ToProto() => new() { Urn = "beam:window_fn:global_windows:v1" };
}

/// <summary>Windows of one length, side by side.</summary>
/// <param name="Size">Their length, in whole milliseconds.</param>
/// <param name="Offset">Where they begin relative to 1970-01-01T00:00:00Z; at least zero and less than <paramref name="Size"/>.</param>
public sealed record FixedWindows(TimeSpan Size, TimeSpan Offset = default) : WindowFn
{
    /// <summary>Their length, in whole milliseconds.</summary>
    /// <exception cref="ArgumentException">It is not positive, or not of whole milliseconds.</exception>
    public TimeSpan Size { get; init => field = RequirePositive(value, nameof(Size)); } = RequirePositive(Size, nameof(Size));

    /// <summary>Where they begin relative to 1970-01-01T00:00:00Z, in whole milliseconds.</summary>
    /// <exception cref="ArgumentException">It is negative, not less than the size, or not of whole milliseconds.</exception>
    public TimeSpan Offset { get; init => field = RequireOffset(value, TimeSpan.MaxValue); } = RequireOffset(Offset, Size);

    /// <summary>Windows of a length, which begin at the epoch, or as far from it as <paramref name="offset"/> says.</summary>
    /// <exception cref="ArgumentException">The size is not positive, the offset not less than it, or one is not of whole milliseconds.</exception>
    public static FixedWindows Of(TimeSpan size, TimeSpan offset = default) => new(size, offset);

    /// <inheritdoc/>
    public override IReadOnlyList<BoundedWindow> Assign(Timestamp timestamp) => [Window(timestamp)];

    /// <inheritdoc/>
    public override BoundedWindow SideInputWindow(BoundedWindow mainWindow) => Window(mainWindow.MaxTimestamp);

    internal override Coder WindowCoder => IntervalWindowCoder.Instance;

    internal override FunctionSpec ToProto() => new()
    {
        Urn = "beam:window_fn:fixed_windows:v1",
        Payload = new FixedWindowsPayload { Size = Duration.FromTimeSpan(Size), Offset = Duration.FromTimeSpan(Offset).ToEpoch() }.ToByteString(),
    };

    private IntervalWindow Window(Timestamp timestamp)
    {
        var size = (long)Size.TotalMilliseconds;
        var start = WindowArithmetic.FloorTo(timestamp.Milliseconds, size, (long)Offset.TotalMilliseconds);
        return WindowArithmetic.Interval(start, size);
    }
}

/// <summary>Windows of one length that begin at regular intervals, and overlap where these are shorter.</summary>
/// <param name="Size">Their length, in whole milliseconds.</param>
/// <param name="Period">The time between one beginning and the next.</param>
/// <param name="Offset">Where they begin relative to 1970-01-01T00:00:00Z; at least zero and less than <paramref name="Period"/>.</param>
public sealed record SlidingWindows(TimeSpan Size, TimeSpan Period, TimeSpan Offset = default) : WindowFn
{
    /// <summary>Their length, in whole milliseconds.</summary>
    /// <exception cref="ArgumentException">It is not positive, or not of whole milliseconds.</exception>
    public TimeSpan Size { get; init => field = RequirePositive(value, nameof(Size)); } = RequirePositive(Size, nameof(Size));

    /// <summary>The time between one beginning and the next, in whole milliseconds.</summary>
    /// <exception cref="ArgumentException">It is not positive, or not of whole milliseconds.</exception>
    public TimeSpan Period { get; init => field = RequirePositive(value, nameof(Period)); } = RequirePositive(Period, nameof(Period));

    /// <summary>Where they begin relative to 1970-01-01T00:00:00Z, in whole milliseconds.</summary>
    /// <exception cref="ArgumentException">It is negative, not less than the period, or not of whole milliseconds.</exception>
    public TimeSpan Offset { get; init => field = RequireOffset(value, TimeSpan.MaxValue); } = RequireOffset(Offset, Period);

    /// <summary>Windows of a length, one beginning every <paramref name="period"/>, counted from the epoch and the <paramref name="offset"/>.</summary>
    /// <exception cref="ArgumentException">A length is not positive, the offset not less than the period, or one is not of whole milliseconds.</exception>
    public static SlidingWindows Of(TimeSpan size, TimeSpan period, TimeSpan offset = default) => new(size, period, offset);

    /// <inheritdoc/>
    public override bool AssignsToOneWindow => false;

    /// <inheritdoc/>
    public override IReadOnlyList<BoundedWindow> Assign(Timestamp timestamp)
    {
        var size = (long)Size.TotalMilliseconds;
        var period = (long)Period.TotalMilliseconds;
        var last = WindowArithmetic.FloorTo(timestamp.Milliseconds, period, (long)Offset.TotalMilliseconds);
        var windows = new List<BoundedWindow>((int)Math.Min(1 + (size / period), 1024));
        for (var start = last; start > timestamp.Milliseconds - size; start -= period) windows.Add(WindowArithmetic.Interval(start, size));
        return windows;
    }

    /// <inheritdoc/>
    public override BoundedWindow SideInputWindow(BoundedWindow mainWindow)
    {
        // The earliest window that holds the main window's last moment, as Beam's SDKs choose: each window's is itself.
        var size = (long)Size.TotalMilliseconds;
        var period = (long)Period.TotalMilliseconds;
        var start = WindowArithmetic.FloorTo(mainWindow.MaxTimestamp.AddMilliseconds(-size).Milliseconds, period, (long)Offset.TotalMilliseconds) + period;
        return WindowArithmetic.Interval(start, size);
    }

    internal override Coder WindowCoder => IntervalWindowCoder.Instance;

    internal override FunctionSpec ToProto() => new()
    {
        Urn = "beam:window_fn:sliding_windows:v1",
        Payload = new SlidingWindowsPayload
        {
            Size = Duration.FromTimeSpan(Size),
            Period = Duration.FromTimeSpan(Period),
            Offset = Duration.FromTimeSpan(Offset).ToEpoch(),
        }.ToByteString(),
    };
}

/// <summary>Windows that a key's elements make: each reaches one gap past its last element, and windows that touch merge.</summary>
/// <param name="Gap">How long nothing must happen for a session to end.</param>
public sealed record Sessions(TimeSpan Gap) : WindowFn
{
    /// <summary>How long nothing must happen for a session to end, in whole milliseconds.</summary>
    /// <exception cref="ArgumentException">It is not positive, or not of whole milliseconds.</exception>
    public TimeSpan Gap { get; init => field = RequirePositive(value, nameof(Gap)); } = RequirePositive(Gap, nameof(Gap));

    /// <summary>Sessions that end when nothing happened for <paramref name="gap"/>.</summary>
    /// <exception cref="ArgumentException">The gap is not positive, or not of whole milliseconds.</exception>
    public static Sessions WithGap(TimeSpan gap) => new(gap);

    /// <inheritdoc/>
    public override bool IsMerging => true;

    /// <inheritdoc/>
    public override IReadOnlyList<BoundedWindow> Assign(Timestamp timestamp) =>
        [WindowArithmetic.Interval(timestamp.Milliseconds, (long)Gap.TotalMilliseconds)];

    /// <inheritdoc/>
    public override BoundedWindow SideInputWindow(BoundedWindow mainWindow) =>
        throw new BeamException("A collection in session windows cannot be a side input; window it otherwise before it becomes a view.");

    internal override Coder WindowCoder => IntervalWindowCoder.Instance;

    internal override FunctionSpec ToProto() => new()
    {
        Urn = "beam:window_fn:session_windows:v1",
        Payload = new SessionWindowsPayload { GapSize = Duration.FromTimeSpan(Gap) }.ToByteString(),
    };
}
