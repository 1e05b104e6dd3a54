using System.Text;
using Beam.ML.Vllm.Tokenizers.Decoding;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.SentencePiece;

/// <summary>A SentencePiece <c>tokenizer.model</c>, with the special tokens of the configuration beside it.</summary>
internal sealed class SentencePieceTokenizer : Tokenizer
{
    private static readonly string[] ClassesThatAddBos = ["LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizer", "GemmaTokenizerFast"];

    private readonly SentencePieceNormalizer _normalizer;
    private readonly IPieceEncoder _encoder;
    private readonly AddedTokenMatcher _added;
    private readonly Dictionary<int, byte[]> _addedContent = [];
    private readonly Dictionary<string, int> _addedIds = new(StringComparer.Ordinal);
    private readonly HashSet<int> _special = [];
    private readonly bool _addBos, _addEos, _prefixOnlyAtStart;

    private SentencePieceTokenizer(SentencePieceModel model, TokenizerConfig config)
    {
        Model = model;
        var userDefined = new ByteTrie();
        for (var id = 0; id < model.Count; id++)
        {
            if (model.Types[id] == PieceType.UserDefined) userDefined.Add(model.Pieces[id], id);
            if (model.Types[id] == PieceType.Control) _special.Add(id);
        }
        _normalizer = new SentencePieceNormalizer(model, userDefined);
        _encoder = model.Algorithm == SentencePieceAlgorithm.Bpe ? new SentencePieceBpe(model, userDefined) : new SentencePieceUnigram(model);

        VocabularySize = model.Count;
        var added = CollectAdded(config);
        foreach (var token in added)
        {
            VocabularySize = Math.Max(VocabularySize, token.Id + 1);
            if (token.Special) _special.Add(token.Id);
            _addedIds.TryAdd(token.Content, token.Id);
            _addedContent[token.Id] = Encoding.UTF8.GetBytes(token.Content);
        }
        _added = new AddedTokenMatcher(added.Select(t => (t.Content, t)));

        BosTokenId = Id(config.Role("bos_token") ?? model.BosPiece);
        EosTokenId = Id(config.Role("eos_token") ?? model.EosPiece);
        PadTokenId = Id(config.Role("pad_token") ?? model.PadPiece);
        UnkTokenId = model.UnkId;
        _addBos = BosTokenId is not null && (config.AddBosToken ?? ClassesThatAddBos.Contains(config.TokenizerClass));
        _addEos = EosTokenId is not null && (config.AddEosToken ?? false);
        _prefixOnlyAtStart = config.Legacy == false;

        int? Id(string? token) => token is null ? null : TokenToId(token);
    }

    public SentencePieceModel Model { get; }

    public static SentencePieceTokenizer Load(string path, TokenizerConfig config) => new(SentencePieceModel.Load(path), config);

    public override int VocabularySize { get; }

    public override int[] Encode(string text, bool addSpecialTokens = true)
    {
        using var ids = new PooledList<int>(text.Length / 3 + 16);
        if (addSpecialTokens && _addBos) ids.Add(BosTokenId!.Value);
        var at = 0;
        while (_added.Next(text, at) is { } match)
        {
            EncodePlain(text.AsSpan(at, match.Start - at), at == 0, ids);
            ids.Add(match.Token.Id);
            at = match.End;
        }
        EncodePlain(text.AsSpan(at), at == 0, ids);
        if (addSpecialTokens && _addEos) ids.Add(EosTokenId!.Value);
        return ids.Span.ToArray();
    }

    public override bool IsSpecial(int id) => _special.Contains(id);

    public override int? TokenToId(string token) =>
        _addedIds.TryGetValue(token, out var id) ? id
        : Model.Pieces.Find(Encoding.UTF8.GetBytes(token)) is >= 0 and var piece ? piece : null;

    public override string? IdToToken(int id) => ContentOf(id) is { Length: > 0 } token ? Encoding.UTF8.GetString(token) : null;

    /// <summary>The token as it is written in text, empty for an id that no token has.</summary>
    internal ReadOnlySpan<byte> ContentOf(int id) => _addedContent.TryGetValue(id, out var content) ? content : Model.Pieces[id];

    internal override byte[] TextBytes(int id)
    {
        if (IsSpecial(id) || id == UnkTokenId) return [];
        if ((uint)id < (uint)Model.Count && Model.Types[id] == PieceType.Byte) return [Model.ByteOf[id]];
        var content = ContentOf(id);
        return (uint)id >= (uint)Model.Count || content.IndexOf(Utf8.Meta) < 0
            ? content.ToArray()
            : Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(content).Replace('\u2581', ' '));
    }

    internal override TokenStream CreateStream(bool skipSpecialTokens) => new SentencePieceStream(this, skipSpecialTokens);

    private void EncodePlain(ReadOnlySpan<char> text, bool first, PooledList<int> ids)
    {
        if (text.IsEmpty) return;
        using var utf8 = new PooledList<byte>(text.Length + 16);
        using var normalized = new PooledList<byte>(text.Length + 16);
        Utf8.Append(text, utf8);
        _normalizer.Normalize(utf8.Span, normalized, Model.AddDummyPrefix && (first || !_prefixOnlyAtStart));
        _encoder.Encode(normalized.Span, ids);
    }

    private List<AddedToken> CollectAdded(TokenizerConfig config)
    {
        var tokens = new List<AddedToken>();
        foreach (var token in config.AddedTokens)
            if (token.Id is >= 0 and < TokenTable.MaxId) tokens.Add(token);
            else throw new TokenizerException($"Added token '{token.Content}' has the id {token.Id}: expected 0 … {TokenTable.MaxId - 1}.");
        foreach (var text in config.SpecialTokens)
            if (tokens.TrueForAll(t => t.Content != text) && Model.Pieces.Find(Encoding.UTF8.GetBytes(text)) is >= 0 and var id)
                tokens.Add(new AddedToken(id, text));
        return tokens;
    }
}
