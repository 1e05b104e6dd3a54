using System.Globalization;

namespace Beam.Rpc.Protocol;

/// <summary>The <c>grpc-timeout</c> header: at most eight digits and a unit.</summary>
internal static class GrpcTimeout
{
    private const long MaxDigits = 99_999_999;

    public static string Encode(TimeSpan timeout)
    {
        long ms = Math.Max(1, (long)Math.Ceiling(timeout.TotalMilliseconds));
        var (value, unit) = ms switch
        {
            <= MaxDigits => (ms, 'm'),
            <= MaxDigits * 1_000 => (ms / 1_000, 'S'),
            <= MaxDigits * 60_000 => (ms / 60_000, 'M'),
            _ => (Math.Min(ms / 3_600_000, MaxDigits), 'H'),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");
    }

    public static bool TryDecode(string text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > 9
            || !long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out long value))
        {
            return false;
        }
        long ticks = text[^1] switch
        {
            'H' => TimeSpan.TicksPerHour,
            'M' => TimeSpan.TicksPerMinute,
            'S' => TimeSpan.TicksPerSecond,
            'm' => TimeSpan.TicksPerMillisecond,
            'u' => TimeSpan.TicksPerMicrosecond,
            'n' => 0,
            _ => -1,
        };
        if (ticks < 0) return false;
        // Eight digits of hours are fewer ticks than a long holds.
        timeout = new TimeSpan(ticks == 0 ? value / 100 : value * ticks);
        return true;
    }
}
