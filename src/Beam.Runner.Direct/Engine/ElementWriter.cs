using System.Buffers.Binary;

namespace Beam.Runner.Direct.Engine;

/// <summary>Writes the elements that the runner itself makes, into chunks of about <see cref="Chunk.TargetBytes"/>.</summary>
internal sealed class ElementWriter
{
    /// <summary>Pane of an element that no trigger fired: first, last, timing unknown.</summary>
    public const byte NoFiringPane = 0x0f;

    /// <summary>The only pane of a group: first, last, on time.</summary>
    public const byte OnlyPane = 0x07;

    private const int FirstBufferBytes = 16 << 10;

    private readonly List<Chunk> _chunks = [];
    private byte[] _buffer = [];
    private int _length;
    private int _count;

    /// <summary>Starts an element in one window and reserves <paramref name="size"/> bytes for its value.</summary>
    /// <exception cref="InvalidOperationException">The element is larger than a message can be.</exception>
    public Span<byte> Begin(long timestamp, ReadOnlySpan<byte> window, byte pane, long size)
    {
        var total = 8 + 4 + window.Length + 1 + size;
        if (total > Array.MaxLength)
            throw new InvalidOperationException(
                $"One key of a GroupByKey has {size:N0} bytes of values, more than the {Array.MaxLength:N0} that fit a message. Combine per key, or spread the key.");
        if (_length + total > _buffer.Length)
        {
            Flush();
            _buffer = new byte[Math.Max(total, _chunks.Count == 0 ? FirstBufferBytes : Chunk.TargetBytes)];
        }

        var header = _buffer.AsSpan(_length);
        BeamTime.Write(header, timestamp);
        BinaryPrimitives.WriteInt32BigEndian(header[8..], 1);
        window.CopyTo(header[12..]);
        header[12 + window.Length] = pane;
        var value = _length + 13 + window.Length;
        _length += (int)total;
        _count++;
        return _buffer.AsSpan(value, (int)size);
    }

    /// <summary>Everything that was written.</summary>
    public List<Chunk> Finish()
    {
        Flush();
        return _chunks;
    }

    private void Flush()
    {
        if (_count > 0) _chunks.Add(new Chunk(_buffer.AsMemory(0, _length), _count));
        (_buffer, _length, _count) = ([], 0, 0);
    }
}
