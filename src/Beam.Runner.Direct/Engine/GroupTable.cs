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

    /// <summary>Keeps the chunks of a dataset and shows each element once for each of its windows, to be added.</summary>
    public void Read(Dataset dataset, IEnumerable<Chunk> chunks, ElementVisitor visit, CancellationToken cancellationToken = default)
    {
        foreach (var chunk in chunks)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _chunks.Add(chunk.Data);
            var data = chunk.Data.Span;
            var reader = new ElementReader(data, dataset.Elements, dataset.Windows);
            while (reader.Read())
            {
                var window = reader.WindowsStart;
                for (var i = 0; i < reader.WindowCount; i++)
                {
                    var end = reader.WindowEnd(window);
                    visit(data[window..end], reader);
                    window = end;
                }
            }
        }
    }

    /// <summary>Adds the value of an element of the chunk that is being read to the group of a window and of the element's key; returns the group.</summary>
    public ref Group Add(int window, in ElementReader element)
    {
        var (chunk, keyStart, keyEnd, end) = (_chunks.Count - 1, element.ValueStart, element.KeyEnd, element.End);
        var key = element.Data[keyStart..keyEnd];
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

    /// <summary>Gets an element, and one of its windows as it is encoded.</summary>
    internal delegate void ElementVisitor(ReadOnlySpan<byte> window, in ElementReader element);

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
