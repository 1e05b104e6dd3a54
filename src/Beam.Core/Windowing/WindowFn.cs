using Beam.Coders;
using Beam.Model.Pipeline;
using Coder = Beam.Coders.Coder;

namespace Beam;

/// <summary>Puts elements into windows by their event time.</summary>
public abstract record WindowFn
{
    /// <summary>The windows of an element with this timestamp; none drops the element.</summary>
    public abstract IReadOnlyList<BoundedWindow> Assign(Timestamp timestamp);

    /// <summary>Whether windows of a key merge when they are grouped.</summary>
    public virtual bool IsMerging => false;

    /// <summary>Whether every element is in exactly one window.</summary>
    public virtual bool AssignsToOneWindow => true;

    /// <summary>The window in which a side input with this function is read by an element of <paramref name="mainWindow"/>.</summary>
    public abstract BoundedWindow SideInputWindow(BoundedWindow mainWindow);

    /// <summary>How its windows are encoded.</summary>
    internal abstract Coder WindowCoder { get; }

    internal abstract FunctionSpec ToProto();

    private protected static TimeSpan RequirePositive(TimeSpan value, string what) =>
        value > TimeSpan.Zero && IsWhole(value)
            ? value
            : throw new ArgumentException($"The {what.ToLowerInvariant()} of windows is {value}; give a positive number of whole milliseconds.", what);

    private protected static TimeSpan RequireOffset(TimeSpan value, TimeSpan below) =>
        value >= TimeSpan.Zero && value < below && IsWhole(value)
            ? value
            : throw new ArgumentException(
                $"The offset of windows is {value}; give whole milliseconds, at least zero and less than the time from one window to the next.", "Offset");

    private static bool IsWhole(TimeSpan value) => value.Ticks % TimeSpan.TicksPerMillisecond == 0;
}
