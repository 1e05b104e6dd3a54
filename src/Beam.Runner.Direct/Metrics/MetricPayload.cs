using System.Buffers.Binary;
using System.Text;
using Beam.Metrics;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Metrics;

/// <summary>Decodes the payloads of monitoring infos by their type.</summary>
internal static class MetricPayload
{
    /// <summary>varint</summary>
    public static long Sum(ReadOnlySpan<byte> payload)
    {
        var position = 0;
        return (long)Varint.Read(payload, ref position);
    }

    /// <summary>varints: count, sum, min, max</summary>
    public static DistributionResult Distribution(ReadOnlySpan<byte> payload)
    {
        var position = 0;
        return new DistributionResult(
            (long)Varint.Read(payload, ref position), (long)Varint.Read(payload, ref position),
            (long)Varint.Read(payload, ref position), (long)Varint.Read(payload, ref position));
    }

    /// <summary>varints: timestamp in milliseconds, value</summary>
    public static GaugeResult Latest(ReadOnlySpan<byte> payload)
    {
        var position = 0;
        var timestamp = (long)Varint.Read(payload, ref position);
        return new GaugeResult((long)Varint.Read(payload, ref position), Timestamp.FromMilliseconds(timestamp));
    }

    /// <summary>count in 4 bytes, then length-prefixed UTF-8</summary>
    public static HashSet<string> StringSet(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 4) throw new InvalidDataException("A set of strings is cut off.");
        var values = new HashSet<string>();
        var count = BinaryPrimitives.ReadInt32BigEndian(payload);
        var position = 4;
        for (var i = 0; i < count; i++)
        {
            var length = Varint.Read(payload, ref position);
            if (length > (ulong)(payload.Length - position)) throw new InvalidDataException("A set of strings is cut off.");
            values.Add(Encoding.UTF8.GetString(payload.Slice(position, (int)length)));
            position += (int)length;
        }

        return values;
    }
}
