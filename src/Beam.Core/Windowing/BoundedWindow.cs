namespace Beam;

/// <summary>A finite set of event time in which elements are grouped. Windows are immutable and compare by value.</summary>
public abstract class BoundedWindow
{
    /// <summary>The last timestamp that the window holds; it is over when the watermark has passed it.</summary>
    public abstract Timestamp MaxTimestamp { get; }
}
