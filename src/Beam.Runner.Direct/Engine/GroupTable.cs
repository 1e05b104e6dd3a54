namespace Beam.Runner.Direct.Engine;

/// <summary>
/// Values by (window, encoded key). It keeps references into the chunks that the elements came in, so that an element costs 16 bytes
/// and no object; a group costs 64 bytes.
/// </summary>
internal sealed class GroupTable
{
    private readonly List<ReadOnlyMemory<byte>> _chunks = [];
    private readonly PagedList<Group> _groups = new();
    private readonly PagedList<Value> _values = new();
    private int[] _buckets = new int[1024];

    /// <summary>The number of groups.</summary>
    public int Count => _groups.Count;

    /// <summary>The number of values.</summary>
    public int ValueCount => _values.Count;

    /// <summary>Keeps a chunk, so that values and keys in it can be added by their place.</summary>
    public int AddChunk(ReadOnlyMemory<byte> chunk)
    {
        _chunks.Add(chunk);
        return _chunks.Count - 1;
    }

    /// <summary>Adds the value at [keyEnd, end) to the group of a window and of the key at [keyStart, keyEnd); returns the group.</summary>
    public ref Group Add(int window, int chunk, ReadOnlySpan<byte> data, int keyStart, int keyEnd, int end)
    {
        var key = data[keyStart..keyEnd];
        var hash = Hash(window, key);
        var index = Find(hash, window, key);
        var added = index < 0;
        if (added)
        {
            if (_groups.Count >= _buckets.Length) Grow();
            ref var bucket = ref _buckets[hash & (_buckets.Length - 1)];
            index = _groups.Add(new Group
            {
                Hash = hash,
                Window = window,
                Chunk = chunk,
                KeyStart = keyStart,
                KeyLength = keyEnd - keyStart,
                NextInBucket = bucket - 1,
            });
            bucket = index + 1;
        }

        var value = _values.Add(new Value { Chunk = chunk, Start = keyEnd, Length = end - keyEnd, Next = -1 });
        ref var group = ref _groups[index];
        if (added) group.First = value;
        else _values[group.Last].Next = value;
        group.Last = value;
        group.Count++;
        group.Bytes += end - keyEnd;
        return ref group;
    }

    /// <summary>The index of a group, or -1.</summary>
    public int Find(int window, ReadOnlySpan<byte> key) => Find(Hash(window, key), window, key);

    public ref Group this[int index] => ref _groups[index];

    public ref Value ValueAt(int index) => ref _values[index];

    public ReadOnlySpan<byte> Key(in Group group) => _chunks[group.Chunk].Span.Slice(group.KeyStart, group.KeyLength);

    public ReadOnlySpan<byte> Bytes(in Value value) => _chunks[value.Chunk].Span.Slice(value.Start, value.Length);

    private int Find(int hash, int window, ReadOnlySpan<byte> key)
    {
        for (var index = _buckets[hash & (_buckets.Length - 1)] - 1; index >= 0;)
        {
            ref var group = ref _groups[index];
            if (group.Hash == hash && group.Window == window && Key(group).SequenceEqual(key)) return index;
            index = group.NextInBucket;
        }

        return -1;
    }

    private void Grow()
    {
        _buckets = new int[_buckets.Length * 2];
        for (var index = 0; index < _groups.Count; index++)
        {
            ref var group = ref _groups[index];
            ref var bucket = ref _buckets[group.Hash & (_buckets.Length - 1)];
            group.NextInBucket = bucket - 1;
            bucket = index + 1;
        }
    }

    private static int Hash(int window, ReadOnlySpan<byte> key) => HashCode.Combine(window, ByteArrayComparer.Hash(key));

    /// <summary>A key in a window. Its values are a linked list, in the order in which they came.</summary>
    internal struct Group
    {
        public int Hash;
        public int NextInBucket;
        public int Window;
        public int Chunk;
        public int KeyStart;
        public int KeyLength;
        public int First;
        public int Last;
        public int Count;
        public long Bytes;
        public long Timestamp;
    }

    /// <summary>The place of a value, its length prefix included.</summary>
    internal struct Value
    {
        public int Chunk;
        public int Start;
        public int Length;
        public int Next;
    }
}
