using System.Buffers;
using Beam.ML.Vllm.Tokenizers.Bpe;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.SentencePiece;

/// <summary>SentencePiece's BPE: of all neighbours that make up a piece together, those of the best score merge first.</summary>
internal sealed class SentencePieceBpe : IPieceEncoder
{
    private readonly SentencePieceModel _model;
    private readonly ByteTrie _userDefined;
    private readonly int[] _ranks;
    private readonly MergeBoundaries _boundaries = new();
    private readonly WordCache _cache = new();
    private readonly bool _hasUnused;

    public SentencePieceBpe(SentencePieceModel model, ByteTrie userDefined)
    {
        _model = model;
        _userDefined = userDefined;
        _ranks = RanksByScore(model.Scores);
        for (var id = 0; id < model.Count; id++)
        {
            _hasUnused |= model.Types[id] == PieceType.Unused;
            if (Mergeable(model.Types[id])) _boundaries.AddToken(model.Pieces[id]);
        }
    }

    public void Encode(ReadOnlySpan<byte> text, PooledList<int> ids)
    {
        var wasUnknown = false;
        while (text.Length > 0)
        {
            var symbol = _userDefined.LongestPrefix(text, out var id);
            if (symbol > 0)
            {
                // A user-defined symbol is frozen: it takes part in no merge.
                ids.Add(id);
                wasUnknown = false;
                text = text[symbol..];
                continue;
            }
            var run = text[..RunLength(text)];
            text = text[run.Length..];
            while (run.Length > 0)
            {
                var word = run[.._boundaries.NextCut(run)];
                run = run[word.Length..];
                EncodeWord(word, ids, ref wasUnknown);
            }
        }
    }

    // Up to the next user-defined symbol.
    private int RunLength(ReadOnlySpan<byte> text)
    {
        if (_userDefined.IsEmpty) return text.Length;
        var at = 0;
        do at += Utf8.CharLength(text[at]);
        while (at < text.Length && _userDefined.LongestPrefix(text[at..], out _) == 0);
        return Math.Min(at, text.Length);
    }

    private void EncodeWord(ReadOnlySpan<byte> word, PooledList<int> ids, ref bool wasUnknown)
    {
        var slot = -1;
        if (word.Length <= WordCache.MaxWordLength && _cache.TryGet(word, out var cached, out slot))
        {
            AddAll(cached, ids, ref wasUnknown);
            return;
        }
        var symbols = ArrayPool<BpeSymbol>.Shared.Rent(word.Length);
        using var found = new PooledList<int>(64);
        try
        {
            var count = 0;
            for (var at = 0; at < word.Length;)
            {
                var length = Math.Min(Utf8.CharLength(word[at]), word.Length - at);
                symbols[count++] = new BpeSymbol { Start = at, Length = length, Id = _model.Pieces.Find(word.Slice(at, length)) };
                at += length;
            }
            var rules = new Rules { Text = word, Bpe = this, Splits = _hasUnused ? [] : null };
            count = BpeMerger.Merge(symbols.AsSpan(0, count), ref rules);
            foreach (var symbol in symbols.AsSpan(0, count)) AddPiece(symbol, ref rules, found);
        }
        finally
        {
            ArrayPool<BpeSymbol>.Shared.Return(symbols);
        }
        if (slot >= 0) _cache.Set(slot, word, found.Span);
        AddAll(found.Span, ids, ref wasUnknown);
    }

    private void AddPiece(BpeSymbol symbol, ref Rules rules, PooledList<int> ids)
    {
        if (symbol.Id >= 0 && _model.Types[symbol.Id] == PieceType.Unused && rules.Splits!.TryGetValue(symbol.Id, out var left))
        {
            // A piece marked unused serves the merges but is taken apart again, the way it was put together.
            foreach (var (start, length) in (ReadOnlySpan<(int, int)>)[(symbol.Start, left), (symbol.Start + left, symbol.Length - left)])
                AddPiece(new BpeSymbol { Start = start, Length = length, Id = _model.Pieces.Find(rules.Text.Slice(start, length)) }, ref rules, ids);
            return;
        }
        if (symbol.Id >= 0 && symbol.Id != _model.UnkId) ids.Add(symbol.Id);
        else if (_model.ByteIds is { } bytes)
            foreach (var b in rules.Text.Slice(symbol.Start, symbol.Length)) ids.Add(bytes[b]);
        else ids.Add(_model.UnkId);
    }

    // Neighbouring unknowns are one.
    private void AddAll(ReadOnlySpan<int> found, PooledList<int> ids, ref bool wasUnknown)
    {
        foreach (var id in found)
        {
            if (id != _model.UnkId || !wasUnknown) ids.Add(id);
            wasUnknown = id == _model.UnkId;
        }
    }

    private static bool Mergeable(PieceType type) => type is PieceType.Normal or PieceType.UserDefined or PieceType.Unused;

    private static int[] RanksByScore(List<float> scores)
    {
        var order = Enumerable.Range(0, scores.Count).OrderByDescending(i => scores[i]).ToArray();
        var ranks = new int[scores.Count];
        for (int i = 0, rank = 0; i < order.Length; i++)
        {
            if (i > 0 && scores[order[i]] != scores[order[i - 1]]) rank++;
            ranks[order[i]] = rank;
        }
        return ranks;
    }

    private ref struct Rules : IMergeRules
    {
        public ReadOnlySpan<byte> Text;
        public SentencePieceBpe Bpe;
        public Dictionary<int, int>? Splits;

        public readonly bool TryMerge(in BpeSymbol left, in BpeSymbol right, out int rank, out int id)
        {
            rank = 0;
            id = Bpe._model.Pieces.Find(Text.Slice(left.Start, left.Length + right.Length));
            if (id < 0 || !Mergeable(Bpe._model.Types[id])) return false;
            rank = Bpe._ranks[id];
            if (Splits is not null && Bpe._model.Types[id] == PieceType.Unused) Splits[id] = left.Length;
            return true;
        }
    }
}
