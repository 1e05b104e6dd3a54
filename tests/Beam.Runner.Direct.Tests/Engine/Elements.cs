using System.Buffers.Binary;
using System.Text;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Tests.Engine;

/// <summary>A windowed element in a form that tests can write down.</summary>
internal sealed record TestElement(string Key, string Value, long Timestamp = 0, params (long Start, long End)[] Windows)
{
    /// <summary>What a group looks like: its values joined.</summary>
    public static string Join(IEnumerable<string> values) => string.Join(' ', values);
}

/// <summary>Encodes and decodes elements, independently of the code under test.</summary>
internal static class Elements
{
    public static readonly Dataset Words = new(0, "words", ElementFormat.LengthPrefixed, WindowFormat.Global);
    public static readonly Dataset Pairs = new(1, "pairs", ElementFormat.KeyValue, WindowFormat.Global);
    public static readonly Dataset WindowedPairs = new(2, "windowed pairs", ElementFormat.KeyValue, WindowFormat.Interval);

    public static Chunk Chunk(Dataset dataset, params TestElement[] elements)
    {
        var stream = new MemoryStream();
        foreach (var element in elements)
        {
            stream.Write(BigEndian(element.Timestamp ^ long.MinValue));
            stream.Write(BigEndian(dataset.Windows == WindowFormat.Global ? 1 : element.Windows.Length));
            foreach (var (start, end) in element.Windows)
            {
                stream.Write(BigEndian(end ^ long.MinValue));
                stream.Write(VarintBytes((ulong)(end - start)));
            }

            stream.WriteByte(0x0f);
            if (dataset.Elements == ElementFormat.KeyValue) stream.Write(Prefixed(element.Key));
            stream.Write(Prefixed(element.Value));
        }

        return new Chunk(stream.ToArray(), elements.Length);
    }

    public static Chunk WordChunk(params string[] words) => Chunk(Words, [.. words.Select(word => new TestElement("", word))]);

    /// <summary>Reads what a GroupByKey wrote: the value holds the group's values, joined.</summary>
    public static List<TestElement> ReadGroups(IEnumerable<Chunk> chunks, WindowFormat windows)
    {
        var groups = new List<TestElement>();
        foreach (var chunk in chunks)
        {
            var data = chunk.Data.Span;
            var (position, before) = (0, groups.Count);
            while (position < data.Length)
            {
                var timestamp = BinaryPrimitives.ReadInt64BigEndian(data[position..]) ^ long.MinValue;
                Assert.That(BinaryPrimitives.ReadInt32BigEndian(data[(position + 8)..]), Is.EqualTo(1), "windows");
                position += 12;
                (long, long)[] window = [];
                if (windows == WindowFormat.Interval)
                {
                    var end = BinaryPrimitives.ReadInt64BigEndian(data[position..]) ^ long.MinValue;
                    position += 8;
                    window = [(end - (long)ReadVarint(data, ref position), end)];
                }

                Assert.That(data[position++], Is.EqualTo(0x07), "first and last pane, on time");
                var key = ReadPrefixed(data, ref position);
                var values = new string[BinaryPrimitives.ReadInt32BigEndian(data[position..])];
                position += 4;
                for (var i = 0; i < values.Length; i++) values[i] = ReadPrefixed(data, ref position);
                groups.Add(new TestElement(key, TestElement.Join(values), timestamp, window));
            }

            Assert.That(chunk.Count, Is.EqualTo(groups.Count - before));
        }

        return groups;
    }

    /// <summary>Reads concatenated length-prefixed strings.</summary>
    public static List<string> ReadStrings(ReadOnlySpan<byte> data)
    {
        var (strings, position) = (new List<string>(), 0);
        while (position < data.Length) strings.Add(ReadPrefixed(data, ref position));
        return strings;
    }

    /// <summary>The words in a chunk in the global window.</summary>
    public static List<string> ReadWords(Chunk chunk)
    {
        var words = ReadWords(chunk.Data);
        Assert.That(chunk.Count, Is.EqualTo(words.Count));
        return words;
    }

    /// <summary>Encoded words in the global window.</summary>
    public static List<string> ReadWords(ReadOnlyMemory<byte> chunk)
    {
        var data = chunk.Span;
        var (words, position) = (new List<string>(), 0);
        while (position < data.Length)
        {
            position += 13;
            words.Add(ReadPrefixed(data, ref position));
        }

        return words;
    }

    public static byte[] Prefixed(string text) => [.. VarintBytes((ulong)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    public static byte[] IntervalWindow(long start, long end) => [.. BigEndian(end ^ long.MinValue), .. VarintBytes((ulong)(end - start))];

    private static byte[] VarintBytes(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        return [.. bytes, (byte)value];
    }

    private static string ReadPrefixed(ReadOnlySpan<byte> data, ref int position)
    {
        var length = (int)ReadVarint(data, ref position);
        position += length;
        return Encoding.UTF8.GetString(data.Slice(position - length, length));
    }

    private static ulong ReadVarint(ReadOnlySpan<byte> data, ref int position)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var next = data[position++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80) return value;
        }
    }

    private static byte[] BigEndian(long value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] BigEndian(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }
}
