using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Google.Protobuf;

namespace Beam.Coders;

/// <summary>A growing buffer that coders write to, rented from the shared pool. For one thread at a time.</summary>
public sealed class CoderWriter : IBufferWriter<byte>, IDisposable
{
    // Throws on text that is not well-formed UTF-16, where the default would quietly change it.
    internal static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private const int MaxVarintLength = 10;

    private byte[] _buffer;
    private int _length;
    private bool _disposed;

    /// <summary>Makes an empty writer with room for about this many bytes.</summary>
    public CoderWriter(int initialCapacity = 4096) => _buffer = ArrayPool<byte>.Shared.Rent(Math.Max(16, initialCapacity));

    /// <summary>How many bytes have been written.</summary>
    public int Length => _length;

    /// <summary>What has been written; valid until the next write.</summary>
    public ReadOnlySpan<byte> WrittenSpan => _buffer.AsSpan(0, _length);

    /// <summary>What has been written; valid until the next write.</summary>
    public ReadOnlyMemory<byte> WrittenMemory => _buffer.AsMemory(0, _length);

    /// <summary>Writes one byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void WriteByte(byte value)
    {
        var buffer = _buffer;
        var length = _length;
        if ((uint)length >= (uint)buffer.Length)
        {
            Grow(1);
            buffer = _buffer;
        }

        buffer[length] = value;
        _length = length + 1;
    }

    /// <summary>Writes a number in 1 to 10 bytes, 7 bits a byte, the lowest first; negative numbers take 10.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void WriteVarint(long value)
    {
        if ((ulong)value < 0x80) WriteByte((byte)value);
        else WriteLongVarint((ulong)value);
    }

    private void WriteLongVarint(ulong value)
    {
        Ensure(MaxVarintLength);
        _length += PutVarint(ref _buffer[_length], value);
    }

    private static int PutVarint(ref byte destination, ulong value)
    {
        var count = 0;
        while (value >= 0x80)
        {
            Unsafe.Add(ref destination, count++) = (byte)(value | 0x80);
            value >>= 7;
        }

        Unsafe.Add(ref destination, count++) = (byte)value;
        return count;
    }

    internal static int VarintLength(ulong value) => (int)(((uint)System.Numerics.BitOperations.Log2(value | 1) * 9 + 73) >> 6);

    /// <summary>Writes two bytes, the high one first.</summary>
    public void WriteBigEndianInt16(short value) => BinaryPrimitives.WriteInt16BigEndian(Take(2), value);

    /// <summary>Writes four bytes, the highest first.</summary>
    public void WriteBigEndianInt32(int value) => BinaryPrimitives.WriteInt32BigEndian(Take(4), value);

    /// <summary>Writes eight bytes, the highest first.</summary>
    public void WriteBigEndianInt64(long value) => BinaryPrimitives.WriteInt64BigEndian(Take(8), value);

    /// <summary>Writes an IEEE 754 single as four bytes, the highest first; every NaN as 0x7FC00000, as other SDKs do.</summary>
    public void WriteBigEndianSingle(float value) =>
        WriteBigEndianInt32(float.IsNaN(value) ? 0x7FC00000 : BitConverter.SingleToInt32Bits(value));

    /// <summary>Writes an IEEE 754 double as eight bytes, the highest first; every NaN as 0x7FF8000000000000, as other SDKs do.</summary>
    public void WriteBigEndianDouble(double value) =>
        WriteBigEndianInt64(double.IsNaN(value) ? 0x7FF8000000000000 : BitConverter.DoubleToInt64Bits(value));

    /// <summary>Writes a timestamp as Beam does: eight bytes whose order as bytes is that of the timestamps.</summary>
    public void WriteTimestamp(Timestamp value) => WriteBigEndianInt64(value.Milliseconds ^ long.MinValue);

    /// <summary>Writes the bytes as they are.</summary>
    public void WriteBytes(ReadOnlySpan<byte> value) => value.CopyTo(Take(value.Length));

    /// <summary>Writes the length as a varint, then the bytes.</summary>
    public void WriteLengthPrefixed(ReadOnlySpan<byte> value)
    {
        WriteVarint(value.Length);
        WriteBytes(value);
    }

    /// <summary>Writes text as UTF-8, without its length.</summary>
    /// <exception cref="CoderException">The text has a surrogate without its other half.</exception>
    public void WriteUtf8(ReadOnlySpan<char> value)
    {
        Ensure(MaxUtf8Length(value));
        _length += PutUtf8(value, _buffer.AsSpan(_length));
    }

    /// <summary>Writes the length of the text's UTF-8 as a varint, then the UTF-8.</summary>
    /// <exception cref="CoderException">The text has a surrogate without its other half.</exception>
    public void WriteLengthPrefixedUtf8(ReadOnlySpan<char> value)
    {
        if (value.Length <= 42)
        {
            // At most 126 bytes of UTF-8, so that the length takes one byte whatever it turns out to be.
            Ensure(1 + 126);
            var written = PutUtf8(value, _buffer.AsSpan(_length + 1));
            _buffer[_length] = (byte)written;
            _length += 1 + written;
            return;
        }

        var mark = BeginLengthPrefix();
        WriteUtf8(value);
        EndLengthPrefix(mark);
    }

    private static int MaxUtf8Length(ReadOnlySpan<char> value)
    {
        // Three bytes a char at most; for long text the exact count is cheaper than the room.
        if (value.Length <= 4096) return value.Length * 3;
        try
        {
            return StrictUtf8.GetByteCount(value);
        }
        catch (EncoderFallbackException e)
        {
            throw NotUtf16(e);
        }
        catch (ArgumentException e)
        {
            throw TooLong(e);
        }
    }

    private static int PutUtf8(ReadOnlySpan<char> value, Span<byte> destination)
    {
        try
        {
            return StrictUtf8.GetBytes(value, destination);
        }
        catch (EncoderFallbackException e)
        {
            throw NotUtf16(e);
        }
    }

    private static CoderException NotUtf16(EncoderFallbackException e) =>
        new($"The text is not well-formed UTF-16: its char {e.Index} is half of a surrogate pair, which UTF-8 cannot hold. " +
            "Replace it, or carry the text as bytes.", e);

    /// <summary>A span for at least <paramref name="sizeHint"/> bytes; <see cref="Advance"/> says how many of them were written.</summary>
    public Span<byte> GetSpan(int sizeHint = 1)
    {
        Ensure(Math.Max(1, sizeHint));
        return _buffer.AsSpan(_length);
    }

    /// <inheritdoc cref="GetSpan"/>
    public Memory<byte> GetMemory(int sizeHint = 1)
    {
        Ensure(Math.Max(1, sizeHint));
        return _buffer.AsMemory(_length);
    }

    /// <summary>Adds the first <paramref name="count"/> bytes of what <see cref="GetSpan"/> returned.</summary>
    public void Advance(int count)
    {
        if ((uint)count > (uint)(_buffer.Length - _length)) throw new ArgumentOutOfRangeException(nameof(count));
        _length += count;
    }

    /// <summary>Starts a part whose length, as a varint, comes before it; <see cref="EndLengthPrefix"/> ends it. Parts nest.</summary>
    /// <returns>What <see cref="EndLengthPrefix"/> takes.</returns>
    public int BeginLengthPrefix()
    {
        // One byte is enough for most parts; EndLengthPrefix makes room where it is not.
        WriteByte(0);
        return _length;
    }

    /// <summary>Ends what <see cref="BeginLengthPrefix"/> started.</summary>
    public void EndLengthPrefix(int mark)
    {
        var partLength = _length - mark;
        if (partLength < 0x80)
        {
            _buffer[mark - 1] = (byte)partLength;
            return;
        }

        var extra = VarintLength((ulong)partLength) - 1;
        Ensure(extra);
        _buffer.AsSpan(mark, partLength).CopyTo(_buffer.AsSpan(mark + extra));
        PutVarint(ref _buffer[mark - 1], (ulong)partLength);
        _length += extra;
    }

    /// <summary>Leaves room for a number that is known later.</summary>
    /// <returns>Where it is, for <see cref="PatchBigEndianInt32"/>.</returns>
    public int ReserveBigEndianInt32()
    {
        Take(4);
        return _length - 4;
    }

    /// <summary>Fills what <see cref="ReserveBigEndianInt32"/> left.</summary>
    public void PatchBigEndianInt32(int position, int value) =>
        BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(0, _length).Slice(position, 4), value);

    /// <summary>Forgets what was written, and keeps the buffer.</summary>
    public void Reset() => _length = 0;

    /// <summary>Forgets what was written after the first <paramref name="length"/> bytes, such as an element that failed half-way.</summary>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)length, (uint)_length);
        _length = length;
    }

    /// <summary>A copy of what was written.</summary>
    public byte[] ToArray() => WrittenSpan.ToArray();

    /// <summary>A copy of what was written.</summary>
    public ByteString ToByteString() => ByteString.CopyFrom(WrittenSpan);

    /// <summary>Hands over what was written, without a copy, and starts again with an empty buffer.</summary>
    public ByteString DetachToByteString()
    {
        // A small message in a big buffer would keep all of it alive.
        if (_length < _buffer.Length / 2)
        {
            var copy = ToByteString();
            _length = 0;
            return copy;
        }

        var detached = UnsafeByteOperations.UnsafeWrap(_buffer.AsMemory(0, _length));
        _buffer = ArrayPool<byte>.Shared.Rent(_buffer.Length);
        _length = 0;
        return detached;
    }

    /// <summary>Returns the buffer to the pool.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _length = 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Span<byte> Take(int count)
    {
        Ensure(count);
        var span = MemoryMarshal.CreateSpan(ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_buffer), _length), count);
        _length += count;
        return span;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Ensure(int count)
    {
        if (_buffer.Length - _length < count) Grow(count);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Grow(int count)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var needed = (long)_length + count;
        if (needed > Array.MaxLength) throw TooLong(null);
        var grown = ArrayPool<byte>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max(needed, 2L * _buffer.Length)));
        _buffer.AsSpan(0, _length).CopyTo(grown);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = grown;
    }

    private static CoderException TooLong(Exception? inner) =>
        new($"An encoding would be longer than {Array.MaxLength} bytes; split the value into several elements.", inner);
}
