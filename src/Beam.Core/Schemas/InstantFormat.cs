using System.Buffers.Binary;
using Beam.Coders;
using Beam.Coders.Standard;

namespace Beam.Schemas;

/// <summary>Conversions between types of time (and Guid) and the numbers that represent them.</summary>
internal static class InstantFormat
{
    private const int NanosPerTick = 100;

    internal static readonly Coder<DateOnly> Date = new ConvertedCoder<DateOnly, long>(
        IntegerCoder<long, Varint64Format>.Instance,
        static date => date.DayNumber - DaysBeforeEpoch,
        static days => days is >= -DaysBeforeEpoch and <= DaysAfterEpoch
            ? DateOnly.FromDayNumber((int)days + DaysBeforeEpoch)
            : throw OutOfRange(days, "days", nameof(DateOnly)));

    internal static readonly Coder<TimeOnly> Time = new ConvertedCoder<TimeOnly, long>(
        IntegerCoder<long, Varint64Format>.Instance,
        static time => time.Ticks * NanosPerTick,
        static nanos => (ulong)nanos < TimeSpan.TicksPerDay * NanosPerTick
            ? new TimeOnly(nanos / NanosPerTick)
            : throw OutOfRange(nanos, "nanoseconds of a day", nameof(TimeOnly)));

    /// <summary>Not deterministic, because equal DateTimes may differ in their kind.</summary>
    internal static readonly Coder<DateTime> DateTime = new ConvertedCoder<DateTime, long>(
        IntegerCoder<long, Varint64Format>.Instance,
        static time => time.Ticks | ((long)time.Kind << 62),
        static bits => (bits & TicksMask) <= System.DateTime.MaxValue.Ticks && (int)((ulong)bits >> 62) < 3
            ? new DateTime(bits & TicksMask, (DateTimeKind)(int)((ulong)bits >> 62))
            : throw OutOfRange(bits, "ticks and kind", nameof(System.DateTime)),
        isDeterministic: false);

    private const long TicksMask = (1L << 62) - 1;
    private const int DaysBeforeEpoch = 719162;
    private const long DaysAfterEpoch = 2932896;

    internal static Coder<DateTimeOffset> Micros(PairCoder pair) => Instant(pair, TimeSpan.TicksPerMicrosecond, 1);

    internal static Coder<DateTimeOffset> Nanos(PairCoder pair) => Instant(pair, 1, NanosPerTick);

    // An instant keeps no offset: as DateTimeOffset has it, equal values are the same instant. It comes back in UTC.
    private static ConvertedCoder<DateTimeOffset, (long Seconds, long Fraction)> Instant(PairCoder pair, long ticksPerUnit, long unitsPerTick) => new(
        pair,
        instant => Split(instant.UtcTicks - DateTimeOffset.UnixEpoch.Ticks, ticksPerUnit, unitsPerTick),
        parts => Join(parts, ticksPerUnit, unitsPerTick) + DateTimeOffset.UnixEpoch.Ticks is var ticks &&
            ticks >= 0 && ticks <= System.DateTime.MaxValue.Ticks
            ? new DateTimeOffset((long)ticks, TimeSpan.Zero)
            : throw OutOfRange(parts.Seconds, "seconds since 1970", nameof(DateTimeOffset)));

    internal static Coder<TimeSpan> Duration(PairCoder pair) => new ConvertedCoder<TimeSpan, (long Seconds, long Fraction)>(
        pair,
        static duration => Split(duration.Ticks, 1, NanosPerTick),
        static parts => Join(parts, 1, NanosPerTick) is var ticks && ticks >= long.MinValue && ticks <= long.MaxValue
            ? new TimeSpan((long)ticks)
            : throw OutOfRange(parts.Seconds, "seconds", nameof(TimeSpan)));

    private static (long Seconds, long Fraction) Split(long ticks, long ticksPerUnit, long unitsPerTick)
    {
        var seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out var rest);
        if (rest < 0) (seconds, rest) = (seconds - 1, rest + TimeSpan.TicksPerSecond);
        return (seconds, rest / ticksPerUnit * unitsPerTick);
    }

    private static Int128 Join((long Seconds, long Fraction) parts, long ticksPerUnit, long unitsPerTick) =>
        ((Int128)parts.Seconds * TimeSpan.TicksPerSecond) + ((Int128)parts.Fraction * ticksPerUnit / unitsPerTick);

    internal static DateTimeOffset FromTimestamp(Timestamp timestamp)
    {
        try
        {
            return timestamp.ToDateTimeOffset();
        }
        catch (InvalidOperationException e)
        {
            throw new CoderException(e.Message, e);
        }
    }

    internal static Coder<Guid> Uuid(PairCoder pair) => new ConvertedCoder<Guid, (long Seconds, long Fraction)>(
        pair,
        static guid =>
        {
            Span<byte> bytes = stackalloc byte[16];
            guid.TryWriteBytes(bytes, bigEndian: true, out _);
            return (BinaryPrimitives.ReadInt64BigEndian(bytes), BinaryPrimitives.ReadInt64BigEndian(bytes[8..]));
        },
        static halves =>
        {
            Span<byte> bytes = stackalloc byte[16];
            BinaryPrimitives.WriteInt64BigEndian(bytes, halves.Seconds);
            BinaryPrimitives.WriteInt64BigEndian(bytes[8..], halves.Fraction);
            return new Guid(bytes, bigEndian: true);
        });

    private static CoderException OutOfRange(long value, string unit, string type) => new($"{value} {unit} do not fit a {type}.");
}
