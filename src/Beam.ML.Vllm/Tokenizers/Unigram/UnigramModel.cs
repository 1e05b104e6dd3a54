using Beam.ML.Vllm.Tokenizers.Json;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Unigram;

/// <summary>The unigram model of a tokenizer.json.</summary>
internal sealed class UnigramModel : TokenModel
{
    // What an unknown character costs beyond the least likely token.
    private const double UnknownPenalty = 10;

    private readonly UnigramLattice _lattice;
    private readonly int[]? _byteIds;
    private readonly WordCache _cache = new();

    public UnigramModel(TokenTable vocabulary, double[] scores, int unkId, int[]? byteIds) : base(vocabulary)
    {
        UnkId = unkId;
        _byteIds = byteIds;
        var trie = new ByteTrie();
        for (var id = 0; id < vocabulary.Count; id++) trie.Add(vocabulary[id], id);
        var min = scores.Length == 0 ? 0 : scores.Min();
        // Without a token for the unknown, an id that no token has stands for it on the way.
        _lattice = new UnigramLattice(trie, scores, min - UnknownPenalty, unkId >= 0 ? unkId : vocabulary.Count, singlePrecision: false);
    }

    public override int UnkId { get; }

    public override void Encode(ReadOnlySpan<byte> piece, PooledList<int> ids)
    {
        var slot = -1;
        if (piece.Length <= WordCache.MaxWordLength && _cache.TryGet(piece, out var cached, out slot))
        {
            ids.AddRange(cached);
            return;
        }
        var first = ids.Count;
        Split(piece, ids);
        if (slot >= 0) _cache.Set(slot, piece, ids.Span[first..]);
    }

    private void Split(ReadOnlySpan<byte> piece, PooledList<int> ids)
    {
        using var path = new PooledList<(int Start, int Id)>(64);
        _lattice.Best(piece, path);
        var items = path.Span;
        for (var i = 0; i < items.Length; i++)
        {
            var (start, id) = items[i];
            if (IsKnown(id))
            {
                ids.Add(id);
                continue;
            }
            // Neighbouring unknowns are one.
            while (i + 1 < items.Length && !IsKnown(items[i + 1].Id)) i++;
            var text = piece[start..(i + 1 < items.Length ? items[i + 1].Start : piece.Length)];
            if (Vocabulary.Find(text) is >= 0 and var whole) ids.Add(whole);
            else if (_byteIds is not null)
                foreach (var b in text) ids.Add(_byteIds[b]);
            else if (UnkId >= 0) ids.Add(UnkId);
            else throw new TokenizerException("The text has characters that the vocabulary lacks, and it has no token for the unknown.");
        }
    }

    private bool IsKnown(int id) => id != UnkId && id < Vocabulary.Count;
}
