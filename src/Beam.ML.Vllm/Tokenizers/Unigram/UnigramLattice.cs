using System.Buffers;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Unigram;

/// <summary>Viterbi over all splits of a text into tokens: for each place the best way to get there.</summary>
/// <param name="trie">The tokens.</param>
/// <param name="scores">The log probability of each token.</param>
/// <param name="unknownScore">What a character that no token covers costs.</param>
/// <param name="unknownId">The token for such a character.</param>
/// <param name="singlePrecision">Sum in 32 bits, as SentencePiece does, rather than in 64, as Hugging Face's library does.</param>
internal sealed class UnigramLattice(ByteTrie trie, double[] scores, double unknownScore, int unknownId, bool singlePrecision)
{
    private struct Node
    {
        public int From;
        public int Id;
        public double Score;
    }

    /// <summary>Appends the best path: where each token starts, and its id.</summary>
    public void Best(ReadOnlySpan<byte> text, PooledList<(int Start, int Id)> path)
    {
        if (text.IsEmpty) return;
        var nodes = ArrayPool<Node>.Shared.Rent(text.Length + 1);
        try
        {
            for (var i = 0; i <= text.Length; i++) nodes[i] = new Node { From = -1 };
            for (var at = 0; at < text.Length;)
            {
                var length = Math.Min(Utf8.CharLength(text[at]), text.Length - at);
                var covered = false;
                var node = 0;
                for (var i = at; i < text.Length; i++)
                {
                    node = trie.Child(node, text[i]);
                    if (node == 0) break;
                    var id = trie.Value(node);
                    if (id < 0) continue;
                    Relax(nodes, at, i + 1, id, scores[id]);
                    covered |= i + 1 - at == length;
                }
                if (!covered) Relax(nodes, at, at + length, unknownId, unknownScore);
                at += length;
            }
            var first = path.Count;
            for (var at = text.Length; at > 0; at = nodes[at].From) path.Add((nodes[at].From, nodes[at].Id));
            path.Span[first..].Reverse();
        }
        finally
        {
            ArrayPool<Node>.Shared.Return(nodes);
        }
    }

    private void Relax(Node[] nodes, int from, int to, int id, double score)
    {
        var total = singlePrecision ? (float)((float)score + (float)nodes[from].Score) : score + nodes[from].Score;
        if (nodes[to].From >= 0 && total <= nodes[to].Score) return;
        nodes[to] = new Node { From = from, Id = id, Score = total };
    }
}
