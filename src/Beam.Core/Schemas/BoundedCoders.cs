using Beam.Coders;
using Beam.Coders.Standard;

namespace Beam.Schemas;

/// <summary>Text of a maximal length in UTF-16 code units (var_char), or padded with spaces to exactly that (fixed_char).</summary>
internal sealed class BoundedTextCoder(int length, bool isFixed) : Coder<string>
{
    public override void Encode(string value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        Check(value.Length);
        StringUtf8Coder.Instance.Encode(isFixed ? value.PadRight(length) : value, writer, nested);
    }

    public override string Decode(ref CoderReader reader, bool nested)
    {
        var value = StringUtf8Coder.Instance.Decode(ref reader, nested);
        Check(value.Length);
        return value;
    }

    private void Check(int actual)
    {
        if (actual > length) throw new CoderException($"A text of {actual} chars is in a field that holds {length}.");
    }
}

/// <summary>Bytes of a maximal length (var_bytes), or padded with zeros to exactly that (fixed_bytes).</summary>
internal sealed class BoundedBytesCoder(int length, bool isFixed) : Coder<byte[]>
{
    public override void Encode(byte[] value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        Check(value.Length);
        if (isFixed && value.Length < length) Array.Resize(ref value, length);
        BytesCoder.Instance.Encode(value, writer, nested);
    }

    public override byte[] Decode(ref CoderReader reader, bool nested)
    {
        var value = BytesCoder.Instance.Decode(ref reader, nested);
        Check(value.Length);
        return value;
    }

    private void Check(int actual)
    {
        if (actual > length) throw new CoderException($"{actual} bytes are in a field that holds {length}.");
    }
}
