using System.Buffers.Binary;

namespace Beam.Runner.Direct.Engine;

/// <summary>
/// Walks the windowed values of a chunk without decoding what they hold: timestamp (8 bytes), windows (count in 4 bytes, then each),
/// pane (1 to 21 bytes), element.
/// </summary>
internal ref struct ElementReader(ReadOnlySpan<byte> data, ElementFormat elements, WindowFormat windows)
{
    private int _next;

    /// <summary>The chunk.</summary>
    public ReadOnlySpan<byte> Data { get; } = data;

    /// <summary>Where the current element starts, header included.</summary>
    public int Start { get; private set; }

    /// <summary>Where the current element ends.</summary>
    public readonly int End => _next;

    public long Timestamp { get; private set; }

    public int WindowCount { get; private set; }

    /// <summary>Where the windows of the current element start.</summary>
    public int WindowsStart { get; private set; }

    /// <summary>Where what follows the header starts.</summary>
    public int ValueStart { get; private set; }

    /// <summary>Where the key of a <see cref="ElementFormat.KeyValue"/> ends, its length prefix included; it starts at <see cref="ValueStart"/>.</summary>
    public int KeyEnd { get; private set; }

    /// <summary>Moves to the next element; false at the end.</summary>
    /// <exception cref="InvalidDataException">The bytes are not what the formats say.</exception>
    public bool Read()
    {
        if (_next == Data.Length) return false;
        Start = _next;
        var position = Require(_next, 12);
        Timestamp = BeamTime.Read(Data[Start..]);
        WindowCount = BinaryPrimitives.ReadInt32BigEndian(Data[(Start + 8)..]);
        WindowsStart = position;
        if (WindowCount < 0 || (windows == WindowFormat.Global && WindowCount > 1)) throw Malformed($"{WindowCount} windows");
        position = windows == WindowFormat.Global ? position : SkipWindows(position, WindowCount);
        position = SkipPane(position);
        ValueStart = position;
        _next = elements switch
        {
            ElementFormat.LengthPrefixed => SkipPrefixed(position),
            ElementFormat.KeyValue => SkipPrefixed(KeyEnd = SkipPrefixed(position)),
            _ => SkipIterable(KeyEnd = SkipPrefixed(position)),
        };
        return true;
    }

    /// <summary>Where the window that starts at <paramref name="position"/> ends.</summary>
    public readonly int WindowEnd(int position) => windows switch
    {
        WindowFormat.Global => position,
        WindowFormat.Interval => SkipVarint(Require(position, 8)),
        _ => SkipPrefixed(position),
    };

    /// <summary>Counts the elements of a chunk, and so proves that it is well-formed.</summary>
    public static int Count(ReadOnlySpan<byte> data, ElementFormat elements, WindowFormat windows)
    {
        var reader = new ElementReader(data, elements, windows);
        var count = 0;
        while (reader.Read()) count++;
        return count;
    }

    private readonly int SkipWindows(int position, int count)
    {
        for (var i = 0; i < count; i++) position = WindowEnd(position);
        return position;
    }

    private readonly int SkipPane(int position)
    {
        var end = Require(position, 1);
        // The high nibble says how many varints (index, non-speculative index) follow.
        return (Data[position] >> 4) switch
        {
            0 => end,
            1 => SkipVarint(end),
            2 => SkipVarint(SkipVarint(end)),
            var encoding => throw Malformed($"a pane of unknown encoding {encoding}"),
        };
    }

    private readonly int SkipIterable(int position)
    {
        var start = Require(position, 4);
        var count = BinaryPrimitives.ReadInt32BigEndian(Data[position..]);
        if (count >= 0)
        {
            for (var i = 0; i < count; i++) start = SkipPrefixed(start);
            return start;
        }

        // Of unknown length: blocks of (varint count, elements), ended by an empty block.
        while (true)
        {
            var block = Varint.Read(Data, ref start);
            if (block == 0) return start;
            for (ulong i = 0; i < block; i++) start = SkipPrefixed(start);
        }
    }

    private readonly int SkipVarint(int position)
    {
        Varint.Read(Data, ref position);
        return position;
    }

    private readonly int SkipPrefixed(int position)
    {
        var length = Varint.Read(Data, ref position);
        return length <= (ulong)(Data.Length - position) ? position + (int)length : throw Malformed("a length that passes its end");
    }

    private readonly int Require(int position, int count) =>
        Data.Length - position >= count ? position + count : throw Malformed("an element that is cut off");

    private readonly InvalidDataException Malformed(string what) => new($"The harness sent malformed elements: {what}, in the element at byte {Start} of {Data.Length}.");
}
