using System.Buffers.Binary;

namespace Beam.Runner.Direct.Engine;

/// <summary>Timestamps in milliseconds, with Beam's limits and wire form.</summary>
internal static class BeamTime
{
    public const long Min = -9223372036854775;
    public const long Max = 9223372036854775;
    public const long EndOfGlobalWindow = 9223371950454775;

    /// <summary>Big-endian with the sign bit flipped, so that encoded timestamps sort like timestamps.</summary>
    public static long Read(ReadOnlySpan<byte> source) => BinaryPrimitives.ReadInt64BigEndian(source) ^ long.MinValue;

    public static void Write(Span<byte> destination, long timestamp) => BinaryPrimitives.WriteInt64BigEndian(destination, timestamp ^ long.MinValue);
}
