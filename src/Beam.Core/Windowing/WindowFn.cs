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

    private protected static void RequirePositive(TimeSpan value, string what)
    {
        if (value <= TimeSpan.Zero || value.Ticks % TimeSpan.TicksPerMillisecond != 0)
            throw new ArgumentException($"The {what} of windows is {value}; give a positive number of whole milliseconds.", what);
    }
}
