using System.Buffers.Binary;

namespace Beam.ML.Vllm.Tokenizers.SentencePiece;

/// <summary>Reads the fields of a protocol buffer message. Every length is checked against what is there.</summary>
internal ref struct ProtoReader(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> _rest = message;

    public int Field { get; private set; }

    /// <summary>The value of a varint field.</summary>
    public ulong Varint { get; private set; }

    /// <summary>The value of a fixed 32-bit field as a float.</summary>
    public float Float { get; private set; }

    /// <summary>The value of a length-delimited field.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>Moves to the next field; false at the end.</summary>
    public bool Read()
    {
        if (_rest.IsEmpty) return false;
        var tag = ReadVarint();
        if (tag >> 3 is 0 or > int.MaxValue) throw new FormatException("a field has no valid number");
        Field = (int)(tag >> 3);
        Varint = 0;
        Float = 0;
        Bytes = default;
        switch (tag & 7)
        {
            case 0:
                Varint = ReadVarint();
                break;
            case 1:
                Take(8);
                break;
            case 2:
                var length = ReadVarint();
                if (length > (ulong)_rest.Length) throw new FormatException("a field is longer than what is left of the file");
                Bytes = Take((int)length);
                break;
            case 5:
                Float = BinaryPrimitives.ReadSingleLittleEndian(Take(4));
                break;
            default:
                throw new FormatException($"field {Field} has an unknown wire type");
        }
        return true;
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (_rest.Length < count) throw new FormatException("the file ends within a field");
        var taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var b = Take(1)[0];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80) return value;
        }
        throw new FormatException("a number is longer than 10 bytes");
    }
}
