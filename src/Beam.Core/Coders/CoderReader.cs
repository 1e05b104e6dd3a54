using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;

namespace Beam.Coders;

/// <summary>
/// Reads what coders wrote. Every length is checked against what is there: bytes from outside can make it throw a
/// <see cref="CoderException"/>, and nothing worse.
/// </summary>
public ref struct CoderReader
{
    /// <summary>How many elements that take no bytes one reader will produce; else four bytes could ask for two billion of them.</summary>
    private const int MaxElementsWithoutBytes = 1 << 20;

    private readonly ReadOnlySpan<byte> _data;
    private int _position;
    private int _end;
    private int _elementsWithoutBytes;

    /// <summary>Reads these bytes from their beginning.</summary>
    public CoderReader(ReadOnlySpan<byte> data)
        : this(data, null)
    {
    }

    /// <summary>Reads these bytes, and whatever iterables in them refer to with <paramref name="state"/>.</summary>
    internal CoderReader(ReadOnlySpan<byte> data, IIterableStateReader? state)
    {
        _data = data;
        _end = data.Length;
        State = state;
        _elementsWithoutBytes = MaxElementsWithoutBytes;
    }

    internal IIterableStateReader? State { get; }

    /// <summary>How many bytes have been read.</summary>
    public readonly int Position => _position;

    /// <summary>How many bytes are left.</summary>
    public readonly int Remaining => _end - _position;

    /// <summary>Whether no bytes are left.</summary>
    public readonly bool AtEnd => _position == _end;

    /// <summary>Reads one byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte ReadByte()
    {
        if (_position >= _end) ThrowTruncated(1);
        return _data[_position++];
    }

    /// <summary>Reads a number of 1 to 10 bytes, 7 bits a byte, the lowest first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long ReadVarint()
    {
        var position = _position;
        if (position < _end && _data[position] is < 0x80 and var only)
        {
            _position = position + 1;
            return only;
        }

        return ReadLongVarint();
    }

    private long ReadLongVarint()
    {
        ulong result = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            var b = ReadByte();
            if (shift == 63 && b > 1) break;
            result |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80) return (long)result;
        }

        throw new CoderException($"The varint that ends at byte {_position} does not fit 64 bits.");
    }

    /// <summary>Reads two bytes, the high one first.</summary>
    public short ReadBigEndianInt16() => BinaryPrimitives.ReadInt16BigEndian(ReadBytes(2));

    /// <summary>Reads four bytes, the highest first.</summary>
    public int ReadBigEndianInt32() => BinaryPrimitives.ReadInt32BigEndian(ReadBytes(4));

    /// <summary>Reads eight bytes, the highest first.</summary>
    public long ReadBigEndianInt64() => BinaryPrimitives.ReadInt64BigEndian(ReadBytes(8));

    /// <summary>Reads an IEEE 754 single of four bytes, the highest first.</summary>
    public float ReadBigEndianSingle() => BinaryPrimitives.ReadSingleBigEndian(ReadBytes(4));

    /// <summary>Reads an IEEE 754 double of eight bytes, the highest first.</summary>
    public double ReadBigEndianDouble() => BinaryPrimitives.ReadDoubleBigEndian(ReadBytes(8));

    /// <summary>Reads what <see cref="CoderWriter.WriteTimestamp"/> wrote.</summary>
    public Timestamp ReadTimestamp() => new(ReadBigEndianInt64() ^ long.MinValue);

    /// <summary>Reads this many bytes; the span is a view of the reader's bytes, not a copy.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ReadOnlySpan<byte> ReadBytes(int count)
    {
        if ((uint)count > (uint)(_end - _position)) ThrowTruncated(count);
        var bytes = _data.Slice(_position, count);
        _position += count;
        return bytes;
    }

    /// <summary>Reads all that is left.</summary>
    public ReadOnlySpan<byte> ReadRemaining() => ReadBytes(Remaining);

    /// <summary>Reads a varint that counts bytes to come; it is never more than <see cref="Remaining"/>.</summary>
    public int ReadLength()
    {
        var length = ReadVarint();
        if ((ulong)length > (ulong)Remaining) ThrowTruncated(length);
        return (int)length;
    }

    /// <summary>Reads a length as a varint, then that many bytes.</summary>
    public ReadOnlySpan<byte> ReadLengthPrefixed() => ReadBytes(ReadLength());

    /// <summary>Reads this many bytes as UTF-8.</summary>
    public string ReadUtf8(int byteCount)
    {
        var bytes = ReadBytes(byteCount);
        try
        {
            return CoderWriter.StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new CoderException($"The text that ends at byte {_position} is not UTF-8.", e);
        }
    }

    /// <summary>
    /// Checks a number of elements that the bytes announce: more than there are bytes can only be elements that take none, of which
    /// a reader allows so many.
    /// </summary>
    /// <returns>The count, which is safe to reserve room for.</returns>
    public int CheckCount(long count)
    {
        if (count < 0) throw new CoderException($"A count of {count} elements at byte {_position}.");
        var excess = count - Remaining;
        if (excess > 0)
        {
            if (excess > _elementsWithoutBytes)
                throw new TruncatedValueException($"The bytes announce {count} elements at byte {_position}, where only {Remaining} bytes follow.");
            _elementsWithoutBytes -= (int)excess;
        }

        return (int)count;
    }

    /// <summary>Lets the reader end after this many more bytes, until <see cref="PopLimit"/>. Limits nest.</summary>
    /// <returns>What <see cref="PopLimit"/> takes.</returns>
    public int PushLimit(int count)
    {
        if ((uint)count > (uint)Remaining) ThrowTruncated(count);
        var outer = _end;
        _end = _position + count;
        return outer;
    }

    /// <summary>Ends what <see cref="PushLimit"/> began.</summary>
    /// <exception cref="CoderException">Bytes within the limit have not been read.</exception>
    public void PopLimit(int outer)
    {
        ExpectEnd();
        _end = outer;
    }

    /// <summary>Fails if bytes are left.</summary>
    public readonly void ExpectEnd()
    {
        if (_position != _end) throw new CoderException($"{_end - _position} bytes are left over after the value, from byte {_position} on.");
    }

    /// <summary>The bytes to come, without reading them.</summary>
    internal readonly ReadOnlySpan<byte> Peek() => _data[_position.._end];

    internal void Skip(int count) => ReadBytes(count);

    private readonly void ThrowTruncated(long wanted) =>
        throw new TruncatedValueException($"The value needs {wanted} more bytes at byte {_position}, where only {_end - _position} are left.");
}
