using System.Numerics;
using Beam.Coders;
using Beam.Coders.Standard;

namespace Beam.Schemas;

/// <summary>
/// The scale as a varint, then the unscaled number in two's complement behind its length; the logical type decimal. Not deterministic,
/// because 1.0 and 1.00 are equal and differ in scale.
/// </summary>
internal sealed class DecimalCoder : Coder<decimal>
{
    internal static readonly DecimalCoder Instance = new();

    private const int MaxScale = 28;

    // The unscaled number of a decimal has 12 bytes; what comes from elsewhere may have zeros to strip, within reason.
    private const int MaxBytes = 64;

    public override bool IsDeterministic => false;

    public override void Encode(decimal value, CoderWriter writer, bool nested)
    {
        Span<int> bits = stackalloc int[4];
        decimal.GetBits(value, bits);
        Varint32Format.Write(writer, (bits[3] >> 16) & 0x7F);
        var unscaled = new Int128((uint)bits[2], ((ulong)(uint)bits[1] << 32) | (uint)bits[0]);
        if (bits[3] < 0) unscaled = -unscaled;

        Span<byte> bytes = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteInt128BigEndian(bytes, unscaled);
        while (bytes.Length > 1 && (bytes[0], bytes[1]) is (0, < 0x80) or (0xFF, >= 0x80)) bytes = bytes[1..];
        writer.WriteLengthPrefixed(bytes);
    }

    public override decimal Decode(ref CoderReader reader, bool nested)
    {
        var scale = Varint32Format.Read(ref reader);
        var bytes = reader.ReadLengthPrefixed();
        if (bytes.Length is 0 or > MaxBytes) throw DoesNotFit(ref reader);
        var unscaled = new BigInteger(bytes, isBigEndian: true);
        if (unscaled.IsZero) scale = Math.Clamp(scale, 0, MaxScale);
        if (scale is < -MaxScale or > MaxScale + (MaxBytes * 3)) throw DoesNotFit(ref reader);
        for (; scale < 0; scale++) unscaled *= 10;
        for (; scale > MaxScale; scale--)
        {
            unscaled = BigInteger.DivRem(unscaled, 10, out var digit);
            if (!digit.IsZero) throw DoesNotFit(ref reader);
        }

        var magnitude = BigInteger.Abs(unscaled);
        if (magnitude.GetBitLength() > 96) throw DoesNotFit(ref reader);
        var low = (ulong)(magnitude & ulong.MaxValue);
        return new decimal((int)low, (int)(low >> 32), (int)(uint)(magnitude >> 64), unscaled.Sign < 0, (byte)scale);
    }

    private static CoderException DoesNotFit(ref CoderReader reader) =>
        new($"The number that ends at byte {reader.Position} does not fit a decimal (28 digits after the point, 96 bits in all).");
}
