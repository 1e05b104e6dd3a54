namespace Beam.ML.Vllm.Tokenizers.Text;

/// <summary>A trie over UTF-8 whose edges lie in one open-addressing hash: a probe for a byte, no object for a node.</summary>
internal sealed class ByteTrie
{
    private readonly SeededHash _hash = SeededHash.Create();
    private readonly int[] _root = new int[256];
    private (ulong Key, int Child)[] _edges = new (ulong, int)[64];
    private int[] _values = new int[64];
    private int _nodes = 1;
    private int _used;

    public ByteTrie() => _values.AsSpan().Fill(-1);

    public bool IsEmpty => _nodes == 1;

    public void Add(ReadOnlySpan<byte> key, int value)
    {
        if (key.IsEmpty) return;
        var node = 0;
        foreach (var b in key) node = Child(node, b) is > 0 and var child ? child : AddChild(node, b);
        _values[node] = value;
    }

    /// <summary>The child of a node (the root is 0), or 0.</summary>
    public int Child(int node, byte label)
    {
        if (node == 0) return _root[label];
        var key = (ulong)node << 8 | label;
        var mask = _edges.Length - 1;
        for (var i = (int)_hash.Of(key) & mask; ; i = (i + 1) & mask)
        {
            var edge = _edges[i];
            if (edge.Key == key) return edge.Child;
            if (edge.Key == 0) return 0;
        }
    }

    /// <summary>The value of a node, or -1.</summary>
    public int Value(int node) => _values[node];

    /// <summary>The length of the longest key that the text starts with (0 if none) and its value.</summary>
    public int LongestPrefix(ReadOnlySpan<byte> text, out int value)
    {
        value = -1;
        var (node, length) = (0, 0);
        for (var i = 0; i < text.Length; i++)
        {
            node = Child(node, text[i]);
            if (node == 0) break;
            if (_values[node] < 0) continue;
            (value, length) = (_values[node], i + 1);
        }
        return length;
    }

    private int AddChild(int node, byte label)
    {
        var child = _nodes++;
        if (child >= _values.Length)
        {
            Array.Resize(ref _values, _values.Length * 2);
            _values.AsSpan(_values.Length / 2).Fill(-1);
        }
        if (node == 0)
        {
            _root[label] = child;
            return child;
        }
        if (++_used * 2 >= _edges.Length) Rehash();
        Insert((ulong)node << 8 | label, child);
        return child;
    }

    private void Insert(ulong key, int child)
    {
        var mask = _edges.Length - 1;
        var i = (int)_hash.Of(key) & mask;
        while (_edges[i].Key != 0) i = (i + 1) & mask;
        _edges[i] = (key, child);
    }

    private void Rehash()
    {
        var old = _edges;
        _edges = new (ulong, int)[old.Length * 2];
        foreach (var (key, child) in old)
            if (key != 0) Insert(key, child);
    }
}
