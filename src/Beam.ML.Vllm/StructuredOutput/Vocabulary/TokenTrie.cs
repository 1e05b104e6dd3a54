namespace Beam.ML.Vllm.StructuredOutput.Vocabulary;

/// <summary>
/// Tokens by their bytes, as a trie laid out in the order of a walk from the root: after a node come its children, and a subtree is left
/// by going on at <see cref="After"/>.
/// </summary>
internal sealed class TokenTrie
{
    private readonly List<byte> _labels = [];
    private readonly List<ushort> _depths = [];
    private readonly List<int> _after = [];
    private readonly List<int> _tokens = [];

    /// <param name="ids">Tokens in the order of their bytes.</param>
    /// <param name="bytesOf">A token's bytes, at least one.</param>
    /// <param name="sameAs">For each token the next one with the same bytes, or -1; filled in.</param>
    public TokenTrie(IEnumerable<int> ids, Func<int, byte[]> bytesOf, int[] sameAs)
    {
        var path = new List<int>();
        byte[] last = [];
        foreach (var id in ids)
        {
            var bytes = bytesOf(id);
            var common = bytes.AsSpan().CommonPrefixLength(last);
            Close(path, common);
            for (var i = common; i < bytes.Length; i++)
            {
                path.Add(_labels.Count);
                _labels.Add(bytes[i]);
                _depths.Add((ushort)i);
                _after.Add(0);
                _tokens.Add(-1);
            }
            sameAs[id] = _tokens[path[^1]];
            _tokens[path[^1]] = id;
            last = bytes;
            Deepest = Math.Max(Deepest, bytes.Length);
        }
        Close(path, 0);
        (Labels, Depths, After, Tokens) = ([.. _labels], [.. _depths], [.. _after], [.. _tokens]);
        (_labels, _depths, _after, _tokens) = ([], [], [], []);
    }

    /// <summary>The byte that leads to each node.</summary>
    public byte[] Labels { get; }

    /// <summary>The bytes before it.</summary>
    public ushort[] Depths { get; }

    /// <summary>The node after its subtree.</summary>
    public int[] After { get; }

    /// <summary>The token that ends there, or -1.</summary>
    public int[] Tokens { get; }

    /// <summary>The length of the longest token.</summary>
    public int Deepest { get; }

    private void Close(List<int> path, int depth)
    {
        for (; path.Count > depth; path.RemoveAt(path.Count - 1)) _after[path[^1]] = _labels.Count;
    }
}
