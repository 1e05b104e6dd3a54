using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Tokenizers.Decoding;
using Beam.ML.Vllm.Tokenizers.Normalizers;
using Beam.ML.Vllm.Tokenizers.PreTokenizers;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Json;

/// <summary>A Hugging Face <c>tokenizer.json</c>: added tokens → normalizer → pre-tokenizer → model → post-processor, and back by the decoder.</summary>
internal sealed class JsonTokenizer : Tokenizer
{
    private readonly TokenModel _model;
    private readonly Normalizer? _normalizer;
    private readonly PreTokenizer? _preTokenizer;
    private readonly PostProcessor _postProcessor;
    private readonly DecoderPlan _decoder;
    private readonly AddedTokenMatcher _addedInRaw, _addedInNormalized;
    private readonly Dictionary<int, byte[]> _addedContent = [];
    private readonly Dictionary<string, int> _addedIds = new(StringComparer.Ordinal);
    private readonly HashSet<int> _special = [];

    private JsonTokenizer(TokenizerJsonFile file, TokenizerConfig config)
    {
        _model = file.Model;
        _normalizer = Normalizer.Create(file.Normalizer);
        _preTokenizer = PreTokenizer.Create(file.PreTokenizer);
        _postProcessor = PostProcessor.Create(file.PostProcessor);
        _decoder = DecoderPlan.Create(file.Decoder);

        var added = new List<AddedToken>();
        var size = _model.Vocabulary.Count;
        foreach (var token in file.AddedTokens.Concat(config.AddedTokens)) Add(token);
        foreach (var text in config.SpecialTokens)
            if (_addedIds.TryGetValue(text, out var known)) _special.Add(known);
            else if (_model.Vocabulary.Find(Encoding.UTF8.GetBytes(text)) is >= 0 and var id) Add(new AddedToken(id, text));
        VocabularySize = size;
        _addedInRaw = new AddedTokenMatcher(added.Where(t => !t.Normalized).Select(t => (t.Content, t)));
        _addedInNormalized = new AddedTokenMatcher(added.Where(t => t.Normalized).Select(t => (_normalizer?.Normalize(t.Content) ?? t.Content, t)));

        BosTokenId = Id("bos_token") ?? Id("cls_token");
        EosTokenId = Id("eos_token") ?? Id("sep_token");
        PadTokenId = Id("pad_token");
        UnkTokenId = Id("unk_token") ?? (_model.UnkId >= 0 ? _model.UnkId : null);

        void Add(AddedToken token)
        {
            if (token.Id is < 0 or >= TokenTable.MaxId) throw new TokenizerException($"Added token '{token.Content}' has the id {token.Id}: expected 0 … {TokenTable.MaxId - 1}.");
            if (token.Content.Length == 0 || !_addedIds.TryAdd(token.Content, token.Id)) return;
            added.Add(token);
            _addedContent[token.Id] = Encoding.UTF8.GetBytes(token.Content);
            if (token.Special) _special.Add(token.Id);
            size = Math.Max(size, token.Id + 1);
        }

        int? Id(string role) => config.Role(role) is { } text ? TokenToId(text) : null;
    }

    public override int VocabularySize { get; }

    public static JsonTokenizer Load(string path, TokenizerConfig config)
    {
        try
        {
            return new JsonTokenizer(TokenizerJsonFile.Load(path), config);
        }
        catch (Exception e) when (e is TokenizerException or JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"'{path}' cannot be used: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    public override int[] Encode(string text, bool addSpecialTokens = true)
    {
        text = WholeCharacters(text);
        using var ids = new PooledList<int>(text.Length / 3 + 16);
        if (addSpecialTokens) ids.AddRange(_postProcessor.Before);
        using var sink = new ModelSink(_model, ids, new PatternTime(text.Length));
        var at = 0;
        while (_addedInRaw.Next(text, at) is { } match)
        {
            EncodeNormalized(text[at..match.Start], at == 0, sink, ids);
            ids.Add(match.Token.Id);
            at = match.End;
        }
        EncodeNormalized(at == 0 ? text : text[at..], at == 0, sink, ids);
        if (addSpecialTokens) ids.AddRange(_postProcessor.After);
        return ids.Span.ToArray();
    }

    public override bool IsSpecial(int id) => _special.Contains(id);

    public override int? TokenToId(string token) =>
        _addedIds.TryGetValue(token, out var id) ? id
        : _model.Vocabulary.Find(Encoding.UTF8.GetBytes(token)) is >= 0 and var found ? found : null;

    public override string? IdToToken(int id) => TryGetContent(id, out var content) ? Encoding.UTF8.GetString(content) : null;

    /// <summary>The token as the vocabulary writes it.</summary>
    internal bool TryGetContent(int id, out ReadOnlySpan<byte> content)
    {
        if (_addedContent.TryGetValue(id, out var added))
        {
            content = added;
            return true;
        }
        content = _model.Vocabulary[id];
        return _model.Vocabulary.Has(id);
    }

    internal override byte[] TextBytes(int id) =>
        IsSpecial(id) || id == UnkTokenId || id == _model.UnkId || !TryGetContent(id, out var content) ? [] : _decoder.TextBytes(content);

    internal override TokenStream CreateStream(bool skipSpecialTokens) => new JsonTokenStream(this, _decoder, skipSpecialTokens);

    private void EncodeNormalized(string text, bool first, ModelSink sink, PooledList<int> ids)
    {
        if (text.Length == 0) return;
        if (_normalizer is not null) text = _normalizer.Normalize(text, sink.Time);
        var at = 0;
        while (_addedInNormalized.Next(text, at) is { } match)
        {
            EncodePieces(text.AsSpan(at, match.Start - at), first && at == 0, sink);
            ids.Add(match.Token.Id);
            at = match.End;
        }
        EncodePieces(text.AsSpan(at), first && at == 0, sink);
    }

    private void EncodePieces(ReadOnlySpan<char> text, bool first, ModelSink sink)
    {
        if (text.IsEmpty) return;
        if (_preTokenizer is null) sink.Add(text, first);
        else _preTokenizer.Split(text, first, sink);
    }

    private static string WholeCharacters(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0) return text;
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])) i++;
            else return Runes.Map(text, rune => rune);
        }
        return text;
    }

    private sealed class ModelSink(TokenModel model, PooledList<int> ids, PatternTime time) : IPieceSink, IDisposable
    {
        private readonly PooledList<byte> _utf8 = new(256);

        public PatternTime Time => time;

        public void Add(ReadOnlySpan<char> piece, bool first)
        {
            if (piece.IsEmpty) return;
            _utf8.Clear();
            Utf8.Append(piece, _utf8);
            model.Encode(_utf8.Span, ids);
        }

        public void Dispose() => _utf8.Dispose();
    }
}
