using System.Globalization;

namespace Beam;

/// <summary>
/// An instant of event time: milliseconds since 1970-01-01T00:00:00Z. Beam's range reaches from <see cref="MinValue"/> to
/// <see cref="MaxValue"/>, about 292,000 years on either side, far beyond what <see cref="DateTimeOffset"/> can hold.
/// </summary>
public readonly struct Timestamp : IEquatable<Timestamp>, IComparable<Timestamp>, IComparable
{
    private const long MinMilliseconds = -9223372036854775;
    private const long MaxMilliseconds = 9223372036854775;

    /// <summary>The earliest timestamp; the timestamp of elements before anything has assigned one.</summary>
    public static readonly Timestamp MinValue = new(MinMilliseconds);

    /// <summary>The latest timestamp; a watermark that has reached it has seen everything.</summary>
    public static readonly Timestamp MaxValue = new(MaxMilliseconds);

    /// <summary>The last timestamp inside the global window, one day before <see cref="MaxValue"/>.</summary>
    public static readonly Timestamp EndOfGlobalWindow = new(9223371950454775);

    /// <summary>1970-01-01T00:00:00Z.</summary>
    public static readonly Timestamp Epoch = new(0);

    /// <summary>Milliseconds since 1970-01-01T00:00:00Z.</summary>
    public long Milliseconds { get; }

    // Takes what came over the wire: other SDKs send MaxValue + 1 ms for "never".
    internal Timestamp(long milliseconds) => Milliseconds = milliseconds;

    /// <summary>The timestamp this many milliseconds after 1970-01-01T00:00:00Z.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is outside Beam's range.</exception>
    public static Timestamp FromMilliseconds(long milliseconds) =>
        milliseconds is >= MinMilliseconds and <= MaxMilliseconds
            ? new(milliseconds)
            : throw new ArgumentOutOfRangeException(nameof(milliseconds), milliseconds,
                $"A Beam timestamp is between {MinMilliseconds} and {MaxMilliseconds} milliseconds since 1970.");

    /// <summary>The timestamp this many seconds after 1970-01-01T00:00:00Z.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is outside Beam's range.</exception>
    public static Timestamp FromSeconds(long seconds) => FromMilliseconds(SaturatingMultiply(seconds, 1000));

    /// <summary>The timestamp of an instant; what is finer than a millisecond is cut off.</summary>
    public static Timestamp FromDateTimeOffset(DateTimeOffset instant) => new(instant.ToUnixTimeMilliseconds());

    /// <summary>The current time.</summary>
    public static Timestamp Now => FromDateTimeOffset(DateTimeOffset.UtcNow);

    /// <summary>This instant as a <see cref="DateTimeOffset"/> in UTC.</summary>
    /// <exception cref="InvalidOperationException">The instant is not within the years 1 to 9999.</exception>
    public DateTimeOffset ToDateTimeOffset() => FitsDateTimeOffset
        ? DateTimeOffset.FromUnixTimeMilliseconds(Milliseconds)
        : throw new InvalidOperationException(
            $"The timestamp {this} is outside the years 1 to 9999 that a DateTimeOffset can hold; " +
            "compare it with Timestamp.MinValue, Timestamp.MaxValue or Timestamp.EndOfGlobalWindow first.");

    private bool FitsDateTimeOffset => Milliseconds is >= -62135596800000 and <= 253402300799999;

    /// <summary>Converts as <see cref="FromDateTimeOffset"/> does.</summary>
    public static implicit operator Timestamp(DateTimeOffset instant) => FromDateTimeOffset(instant);

    /// <summary>Converts as <see cref="ToDateTimeOffset"/> does.</summary>
    public static explicit operator DateTimeOffset(Timestamp timestamp) => timestamp.ToDateTimeOffset();

    /// <summary>Moves forward, by whole milliseconds; stops at <see cref="MaxValue"/> and <see cref="MinValue"/>.</summary>
    public static Timestamp operator +(Timestamp timestamp, TimeSpan duration) => timestamp.AddMilliseconds(WholeMilliseconds(duration));

    /// <summary>Moves back, by whole milliseconds; stops at <see cref="MaxValue"/> and <see cref="MinValue"/>.</summary>
    public static Timestamp operator -(Timestamp timestamp, TimeSpan duration) => timestamp.AddMilliseconds(-WholeMilliseconds(duration));

    /// <summary>The time from one timestamp to another; stops at the ends of what a <see cref="TimeSpan"/> can hold.</summary>
    public static TimeSpan operator -(Timestamp left, Timestamp right)
    {
        var milliseconds = (Int128)left.Milliseconds - right.Milliseconds;
        return milliseconds > TimeSpan.MaxValue.Ticks / TimeSpan.TicksPerMillisecond ? TimeSpan.MaxValue
            : milliseconds < TimeSpan.MinValue.Ticks / TimeSpan.TicksPerMillisecond ? TimeSpan.MinValue
            : new TimeSpan((long)milliseconds * TimeSpan.TicksPerMillisecond);
    }

    // The range of a long is 1,000 times Beam's, but a timestamp from the wire may be anything.
    internal Timestamp AddMilliseconds(long milliseconds) =>
        new((long)Int128.Clamp((Int128)Milliseconds + milliseconds, MinMilliseconds, MaxMilliseconds));

    private static long WholeMilliseconds(TimeSpan duration) => duration.Ticks / TimeSpan.TicksPerMillisecond;

    private static long SaturatingMultiply(long value, long factor) =>
        (long)Int128.Clamp((Int128)value * factor, long.MinValue, long.MaxValue);

    /// <summary>Whether the left one is earlier.</summary>
    public static bool operator <(Timestamp left, Timestamp right) => left.Milliseconds < right.Milliseconds;

    /// <summary>Whether the left one is later.</summary>
    public static bool operator >(Timestamp left, Timestamp right) => left.Milliseconds > right.Milliseconds;

    /// <summary>Whether the left one is not later.</summary>
    public static bool operator <=(Timestamp left, Timestamp right) => left.Milliseconds <= right.Milliseconds;

    /// <summary>Whether the left one is not earlier.</summary>
    public static bool operator >=(Timestamp left, Timestamp right) => left.Milliseconds >= right.Milliseconds;

    /// <summary>Whether both are the same instant.</summary>
    public static bool operator ==(Timestamp left, Timestamp right) => left.Milliseconds == right.Milliseconds;

    /// <summary>Whether they are different instants.</summary>
    public static bool operator !=(Timestamp left, Timestamp right) => left.Milliseconds != right.Milliseconds;

    /// <summary>The earlier of two.</summary>
    public static Timestamp Min(Timestamp left, Timestamp right) => left < right ? left : right;

    /// <summary>The later of two.</summary>
    public static Timestamp Max(Timestamp left, Timestamp right) => left > right ? left : right;

    /// <inheritdoc/>
    public int CompareTo(Timestamp other) => Milliseconds.CompareTo(other.Milliseconds);

    int IComparable.CompareTo(object? obj) => obj switch
    {
        null => 1,
        Timestamp other => CompareTo(other),
        _ => throw new ArgumentException($"Cannot compare a Timestamp with a {obj.GetType()}.", nameof(obj)),
    };

    /// <inheritdoc/>
    public bool Equals(Timestamp other) => Milliseconds == other.Milliseconds;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Timestamp other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Milliseconds.GetHashCode();

    /// <summary>ISO 8601 in UTC, or the name of one of Beam's special timestamps.</summary>
    public override string ToString() =>
        this == MinValue ? "Timestamp.MinValue"
        : this == MaxValue ? "Timestamp.MaxValue"
        : this == EndOfGlobalWindow ? "Timestamp.EndOfGlobalWindow"
        : FitsDateTimeOffset ? ToDateTimeOffset().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{Milliseconds} ms");
}
