using System.Buffers;
using System.Runtime.CompilerServices;
using Beam.ML.Vllm.Tokenizers.Json;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Bpe;

/// <summary>The settings of a BPE model in a tokenizer.json.</summary>
internal sealed record BpeOptions
{
    public int UnkId { get; init; } = -1;
    public bool FuseUnk { get; init; }
    public bool IgnoreMerges { get; init; }
    public byte[] ContinuingSubwordPrefix { get; init; } = [];
    public byte[] EndOfWordSuffix { get; init; } = [];

    /// <summary>The id of <c>&lt;0xNN&gt;</c> for each byte (-1 if there is none), for characters that the vocabulary lacks.</summary>
    public int[]? ByteIds { get; init; }
}

/// <summary>The BPE model of a tokenizer.json: pairs merge in the order of the merges list.</summary>
internal sealed class BpeModel : TokenModel
{
    private readonly BpeOptions _options;
    private readonly PairTable _pairs;
    private readonly WordCache _cache = new();
    private readonly MergeBoundaries? _boundaries;
    private readonly int[] _asciiIds = new int[128];

    public BpeModel(TokenTable vocabulary, ReadOnlySpan<(int Left, int Right, int Id)> merges, BpeOptions options) : base(vocabulary)
    {
        _options = options;
        _pairs = new PairTable(merges);
        for (var c = 0; c < 128; c++) _asciiIds[c] = vocabulary.Find([(byte)c]);
        if (options.ContinuingSubwordPrefix.Length > 0 || options.EndOfWordSuffix.Length > 0 || MergesStandIns(vocabulary, merges, options)) return;
        _boundaries = FindBoundaries(vocabulary, merges);
    }

    public override int UnkId => _options.UnkId;

    public override void Encode(ReadOnlySpan<byte> piece, PooledList<int> ids)
    {
        if (_options.IgnoreMerges && Vocabulary.Find(piece) is >= 0 and var whole)
        {
            ids.Add(whole);
            return;
        }
        var first = ids.Count;
        if (_boundaries is null || piece.Length <= WordCache.MaxWordLength) EncodeWord(piece, ids, first);
        else
            while (piece.Length > 0)
            {
                var word = piece[.._boundaries.NextCut(piece)];
                EncodeWord(word, ids, first);
                piece = piece[word.Length..];
            }
    }

    private void EncodeWord(ReadOnlySpan<byte> word, PooledList<int> ids, int first)
    {
        var slot = -1;
        if (word.Length <= WordCache.MaxWordLength && _cache.TryGet(word, out var cached, out slot))
        {
            Append(cached, ids, first);
            return;
        }
        var symbols = ArrayPool<BpeSymbol>.Shared.Rent(word.Length);
        using var found = new PooledList<int>(64);
        try
        {
            var count = Start(word, symbols);
            var rules = new Rules(_pairs);
            count = BpeMerger.Merge(symbols.AsSpan(0, count), ref rules);
            foreach (var symbol in symbols.AsSpan(0, count)) found.Add(symbol.Id);
        }
        finally
        {
            ArrayPool<BpeSymbol>.Shared.Return(symbols);
        }
        if (slot >= 0) _cache.Set(slot, word, found.Span);
        Append(found.Span, ids, first);
    }

    // Where unknowns are fused, neighbours within the piece are one, also across the words that it was cut into.
    private void Append(ReadOnlySpan<int> word, PooledList<int> ids, int first)
    {
        if (_options.FuseUnk && word.Length > 0 && word[0] == UnkId && UnkId >= 0 && ids.Count > first && ids.Span[^1] == UnkId) word = word[1..];
        ids.AddRange(word);
    }

    private int Start(ReadOnlySpan<byte> word, BpeSymbol[] symbols)
    {
        var count = 0;
        for (var at = 0; at < word.Length;)
        {
            var length = Math.Min(Utf8.CharLength(word[at]), word.Length - at);
            var character = word.Slice(at, length);
            var id = Find(character, isFirst: at == 0, isLast: at + length == word.Length);
            if (id >= 0) symbols[count++] = new BpeSymbol { Start = at, Length = length, Id = id };
            else if (_options.ByteIds is { } bytes && AllThere(character, bytes))
                for (var i = 0; i < length; i++) symbols[count++] = new BpeSymbol { Start = at + i, Length = 1, Id = bytes[character[i]] };
            else if (_options.UnkId >= 0)
            {
                if (_options.FuseUnk && count > 0 && symbols[count - 1].Id == _options.UnkId) symbols[count - 1].Length += length;
                else symbols[count++] = new BpeSymbol { Start = at, Length = length, Id = _options.UnkId };
            }
            at += length;
        }
        return count;
    }

    private int Find(ReadOnlySpan<byte> character, bool isFirst, bool isLast)
    {
        var (prefix, suffix) = (_options.ContinuingSubwordPrefix, _options.EndOfWordSuffix);
        if ((isFirst || prefix.Length == 0) && (!isLast || suffix.Length == 0))
            return character.Length == 1 ? _asciiIds[character[0]] : Vocabulary.Find(character);
        return Vocabulary.Find([.. isFirst ? [] : prefix, .. character, .. isLast ? suffix : []]);
    }

    private static bool AllThere(ReadOnlySpan<byte> bytes, int[] ids)
    {
        foreach (var b in bytes)
            if (ids[b] < 0) return false;
        return true;
    }

    // Whether a token that stands for a byte or for the unknown takes part in merges: then characters do not tell where none happen.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool MergesStandIns(TokenTable vocabulary, ReadOnlySpan<(int Left, int Right, int Id)> merges, BpeOptions options)
    {
        var isStandIn = new bool[vocabulary.Count];
        foreach (var id in (int[])[options.UnkId, .. options.ByteIds ?? []])
            if (id >= 0) isStandIn[id] = true;
        foreach (var (left, right, _) in merges)
            if (isStandIn[left] || isStandIn[right]) return true;
        return false;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static MergeBoundaries FindBoundaries(TokenTable vocabulary, ReadOnlySpan<(int Left, int Right, int Id)> merges)
    {
        var boundaries = new MergeBoundaries();
        foreach (var (_, _, id) in merges) boundaries.AddToken(vocabulary[id]);
        return boundaries;
    }

    private readonly struct Rules(PairTable pairs) : IMergeRules
    {
        public bool TryMerge(in BpeSymbol left, in BpeSymbol right, out int rank, out int id) => pairs.TryGet(left.Id, right.Id, out rank, out id);
    }
}
