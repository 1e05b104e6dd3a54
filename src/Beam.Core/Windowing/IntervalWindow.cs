namespace Beam;

/// <summary>A window from <see cref="Start"/> (inclusive) to <see cref="End"/> (exclusive).</summary>
public sealed class IntervalWindow : BoundedWindow, IEquatable<IntervalWindow>, IComparable<IntervalWindow>
{
    /// <summary>Makes the window from <paramref name="start"/> (inclusive) to <paramref name="end"/> (exclusive).</summary>
    /// <exception cref="ArgumentException">It would end before it starts.</exception>
    public IntervalWindow(Timestamp start, Timestamp end)
    {
        if (end < start) throw new ArgumentException($"A window cannot end ({end}) before it starts ({start}).", nameof(end));
        Start = start;
        End = end;
    }

    /// <summary>The first timestamp inside.</summary>
    public Timestamp Start { get; }

    /// <summary>The first timestamp after it.</summary>
    public Timestamp End { get; }

    /// <inheritdoc/>
    public override Timestamp MaxTimestamp => End.AddMilliseconds(-1);

    /// <summary>Whether some timestamp is in both.</summary>
    public bool Intersects(IntervalWindow other) => Start < other.End && other.Start < End;

    /// <summary>Whether the timestamp is inside.</summary>
    public bool Contains(Timestamp timestamp) => Start <= timestamp && timestamp < End;

    /// <summary>The smallest window that holds both.</summary>
    public IntervalWindow Span(IntervalWindow other) => new(Timestamp.Min(Start, other.Start), Timestamp.Max(End, other.End));

    /// <inheritdoc/>
    public bool Equals(IntervalWindow? other) => other is not null && Start == other.Start && End == other.End;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as IntervalWindow);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Start, End);

    /// <summary>Orders by start, then by end.</summary>
    public int CompareTo(IntervalWindow? other)
    {
        if (other is null) return 1;
        var byStart = Start.CompareTo(other.Start);
        return byStart != 0 ? byStart : End.CompareTo(other.End);
    }

    /// <inheritdoc/>
    public override string ToString() => $"[{Start}..{End})";
}
