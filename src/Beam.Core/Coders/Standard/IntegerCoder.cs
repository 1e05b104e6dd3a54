using System.Numerics;
using Beam.Model;

namespace Beam.Coders.Standard;

/// <summary>How an integer lies in the bytes. Implementations are empty structs, so that each use compiles to straight code.</summary>
internal interface IIntegerFormat
{
    static abstract string? Urn { get; }

    static abstract void Write(CoderWriter writer, long value);

    static abstract long Read(ref CoderReader reader);
}

/// <summary>A varint of 64 bits: Beam's integer, and INT64 of a row.</summary>
internal readonly struct Varint64Format : IIntegerFormat
{
    public static string Urn => BeamUrns.Coders.Varint;

    public static void Write(CoderWriter writer, long value) => writer.WriteVarint(value);

    public static long Read(ref CoderReader reader) => reader.ReadVarint();
}

/// <summary>A varint of 32 bits, INT32 of a row: a negative one takes five bytes.</summary>
internal readonly struct Varint32Format : IIntegerFormat
{
    public static string? Urn => null;

    public static void Write(CoderWriter writer, long value) => writer.WriteVarint((uint)(int)value);

    public static long Read(ref CoderReader reader)
    {
        // SDKs that keep 64 bits write a negative number in ten bytes.
        var value = reader.ReadVarint();
        return value is >= int.MinValue and <= uint.MaxValue
            ? (int)value
            : throw new CoderException($"The number {value} that ends at byte {reader.Position} does not fit 32 bits.");
    }
}

/// <summary>Two bytes, INT16 of a row.</summary>
internal readonly struct Int16Format : IIntegerFormat
{
    public static string? Urn => null;

    public static void Write(CoderWriter writer, long value) => writer.WriteBigEndianInt16((short)value);

    public static long Read(ref CoderReader reader) => reader.ReadBigEndianInt16();
}

/// <summary>One signed byte, BYTE of a row.</summary>
internal readonly struct Int8Format : IIntegerFormat
{
    public static string? Urn => null;

    public static void Write(CoderWriter writer, long value) => writer.WriteByte((byte)value);

    public static long Read(ref CoderReader reader) => (sbyte)reader.ReadByte();
}

/// <summary>Any integer type of .NET in any of the formats. A ulong travels as the long of the same bits.</summary>
internal sealed class IntegerCoder<T, TFormat> : Coder<T>
    where T : struct, IBinaryInteger<T>
    where TFormat : struct, IIntegerFormat
{
    internal static readonly IntegerCoder<T, TFormat> Instance = new();

    internal override string? Urn => TFormat.Urn;

    public override void Encode(T value, CoderWriter writer, bool nested) => TFormat.Write(writer, long.CreateTruncating(value));

    public override T Decode(ref CoderReader reader, bool nested)
    {
        var number = TFormat.Read(ref reader);
        var value = T.CreateTruncating(number);
        if (long.CreateTruncating(value) != number)
            throw new CoderException($"The number {number} that ends at byte {reader.Position} does not fit {typeof(T)}.");
        return value;
    }
}
