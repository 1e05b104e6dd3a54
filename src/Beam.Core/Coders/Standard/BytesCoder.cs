using Beam.Model;

namespace Beam.Coders.Standard;

/// <summary>Bytes; nested, after their length.</summary>
internal sealed class BytesCoder : Coder<byte[]>
{
    internal static readonly BytesCoder Instance = new();

    internal override string Urn => BeamUrns.Coders.Bytes;

    public override void Encode(byte[] value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        if (nested) writer.WriteLengthPrefixed(value);
        else writer.WriteBytes(value);
    }

    public override byte[] Decode(ref CoderReader reader, bool nested) =>
        (nested ? reader.ReadLengthPrefixed() : reader.ReadRemaining()).ToArray();
}

/// <summary>The same bytes, for those who hold them as memory.</summary>
internal sealed class MemoryCoder : Coder<ReadOnlyMemory<byte>>
{
    internal static readonly MemoryCoder Instance = new();

    internal override string Urn => BeamUrns.Coders.Bytes;

    // ReadOnlyMemory compares by reference, but its bytes are what travels.
    public override void Encode(ReadOnlyMemory<byte> value, CoderWriter writer, bool nested)
    {
        if (nested) writer.WriteLengthPrefixed(value.Span);
        else writer.WriteBytes(value.Span);
    }

    public override ReadOnlyMemory<byte> Decode(ref CoderReader reader, bool nested) =>
        (nested ? reader.ReadLengthPrefixed() : reader.ReadRemaining()).ToArray();
}
