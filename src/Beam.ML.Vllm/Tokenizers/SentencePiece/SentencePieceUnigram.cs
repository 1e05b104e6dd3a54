using Beam.ML.Vllm.Tokenizers.Text;
using Beam.ML.Vllm.Tokenizers.Unigram;

namespace Beam.ML.Vllm.Tokenizers.SentencePiece;

/// <summary>SentencePiece's unigram model: the split of the best total score.</summary>
internal sealed class SentencePieceUnigram : IPieceEncoder
{
    private readonly SentencePieceModel _model;
    private readonly UnigramLattice _lattice;

    public SentencePieceUnigram(SentencePieceModel model)
    {
        _model = model;
        var scores = new double[model.Count];
        var (min, max) = (double.MaxValue, double.MinValue);
        for (var id = 0; id < model.Count; id++)
        {
            scores[id] = model.Scores[id];
            if (model.Types[id] != PieceType.Normal) continue;
            (min, max) = (Math.Min(min, scores[id]), Math.Max(max, scores[id]));
        }
        if (min > max) (min, max) = (0, 0);
        var trie = new ByteTrie();
        for (var id = 0; id < model.Count; id++)
        {
            if (model.Types[id] is not (PieceType.Normal or PieceType.UserDefined)) continue;
            trie.Add(model.Pieces[id], id);
            // A user-defined symbol outweighs whatever else its text could be.
            if (model.Types[id] == PieceType.UserDefined) scores[id] = (float)(model.Pieces[id].Length * max - 0.1);
        }
        _lattice = new UnigramLattice(trie, scores, min - 10, model.UnkId, singlePrecision: true);
    }

    public void Encode(ReadOnlySpan<byte> text, PooledList<int> ids)
    {
        using var path = new PooledList<(int Start, int Id)>(64);
        _lattice.Best(text, path);
        var wasUnknown = false;
        var items = path.Span;
        for (var i = 0; i < items.Length; i++)
        {
            var (start, id) = items[i];
            var end = i + 1 < items.Length ? items[i + 1].Start : text.Length;
            var unknown = id == _model.UnkId;
            if (!unknown) ids.Add(id);
            else if (_model.ByteIds is { } bytes)
                foreach (var b in text[start..end]) ids.Add(bytes[b]);
            else if (!wasUnknown) ids.Add(id);
            wasUnknown = unknown;
        }
    }
}
