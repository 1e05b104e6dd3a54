using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Tokenizers.Bpe;
using Beam.ML.Vllm.Tokenizers.Text;
using Beam.ML.Vllm.Tokenizers.Unigram;
using Beam.ML.Vllm.Tokenizers.WordPiece;

namespace Beam.ML.Vllm.Tokenizers.Json;

/// <summary>Reads the <c>model</c> of a tokenizer.json straight from its bytes into flat tables: it is nearly all of the file.</summary>
internal ref struct ModelReader
{
    private TokenTable? _vocabulary;
    private readonly List<double> _scores = [];
    private readonly int _fileLength;
    private string? _type, _unkToken, _continuingPrefix, _endOfWordSuffix;
    private bool _fuseUnk, _byteFallback, _ignoreMerges;
    private int _unkId = -1, _maxCharsPerWord = 100;
    private JsonScanner _vocab, _merges;
    private bool _hasVocab, _hasMerges, _knowsPrefix;
    private PooledList<(int Left, int Right, int Id)>? _readMerges;
    private byte[] _scratch = new byte[256];

    private ModelReader(int fileLength)
    {
        _fileLength = fileLength;
    }

    /// <summary>Reads the object that comes next.</summary>
    public static TokenModel Read(ref JsonScanner scanner, int fileLength)
    {
        var model = new ModelReader(fileLength);
        model.ReadProperties(ref scanner);
        return model.Build();
    }

    private void ReadProperties(ref JsonScanner scanner)
    {
        if (!scanner.TryTake((byte)'{')) throw new TokenizerException("The model is not an object.");
        var first = true;
        while (scanner.NextProperty(ref first, ref _scratch, out var property))
        {
            var name = Encoding.UTF8.GetString(property);
            switch (name)
            {
                // Merges need the vocabulary, and the order of properties is free: what comes before the things it needs is skipped
                // and read when all else is known. In the order that the reference library writes, nothing is read twice.
                case "vocab":
                    _vocab = scanner;
                    _hasVocab = true;
                    if (_type is null) scanner.Skip();
                    else
                    {
                        ReadVocab();
                        scanner = _vocab;
                    }
                    break;
                case "merges":
                    _merges = scanner;
                    _hasMerges = true;
                    if (_vocabulary is null || !_knowsPrefix) scanner.Skip();
                    else
                    {
                        _readMerges?.Dispose();
                        _readMerges = ReadMerges();
                        scanner = _merges;
                    }
                    break;
                default: ReadSetting(name, scanner.Value()); break;
            }
        }
    }

    private void ReadSetting(string name, Utf8JsonReader reader)
    {
        switch (name)
        {
            case "type": _type = Text(ref reader, name); break;
            case "unk_token": _unkToken = Text(ref reader, name); break;
            case "continuing_subword_prefix":
                _continuingPrefix = Text(ref reader, name);
                _knowsPrefix = true;
                break;
            case "end_of_word_suffix": _endOfWordSuffix = Text(ref reader, name); break;
            case "fuse_unk": _fuseUnk = Flag(ref reader, name); break;
            case "byte_fallback": _byteFallback = Flag(ref reader, name); break;
            case "ignore_merges": _ignoreMerges = Flag(ref reader, name); break;
            case "unk_id": _unkId = Number(ref reader, name, -1); break;
            case "max_input_chars_per_word": _maxCharsPerWord = Number(ref reader, name, 100); break;
            default: reader.Skip(); break;
        }
    }

    private TokenModel Build()
    {
        if (!_hasVocab) throw new TokenizerException("The model has no vocab.");
        _type ??= _vocab.Peek() == '[' ? "Unigram" : _hasMerges ? "BPE" : "WordPiece";
        if (_vocabulary is null) ReadVocab();
        return _type switch
        {
            "BPE" => BuildBpe(),
            "Unigram" => BuildUnigram(),
            "WordPiece" => new WordPieceModel(_vocabulary!, UnkByName("[UNK]"), Encoding.UTF8.GetBytes(_continuingPrefix ?? "##"), _maxCharsPerWord),
            "WordLevel" => new WordLevelModel(_vocabulary!, _vocabulary!.Find(Encoding.UTF8.GetBytes(_unkToken ?? "<unk>"))),
            _ => throw new TokenizerException($"The model type '{_type}' is not supported: expected BPE, Unigram, WordPiece or WordLevel."),
        };
    }

    private void ReadVocab()
    {
        if (_type == "Unigram") ReadScoredVocabulary();
        else ReadVocabulary();
    }

    private UnigramModel BuildUnigram()
    {
        if (_unkId >= _vocabulary!.Count) throw new TokenizerException($"The model's unk_id {_unkId} is outside its vocabulary of {_vocabulary.Count}.");
        var bytes = _byteFallback ? ByteIds() : null;
        return new UnigramModel(_vocabulary, [.. _scores], _unkId, bytes is null || bytes.Contains(-1) ? null : bytes);
    }

    private BpeModel BuildBpe()
    {
        var merges = _readMerges ?? ReadMerges();
        using (merges)
            return new BpeModel(_vocabulary!, merges.Span, new BpeOptions
            {
                UnkId = _unkToken is null ? -1 : UnkByName(_unkToken),
                FuseUnk = _fuseUnk,
                IgnoreMerges = _ignoreMerges,
                ContinuingSubwordPrefix = Encoding.UTF8.GetBytes(_continuingPrefix ?? ""),
                EndOfWordSuffix = Encoding.UTF8.GetBytes(_endOfWordSuffix ?? ""),
                ByteIds = _byteFallback ? ByteIds() : null,
            });
    }

    private int UnkByName(string otherwise)
    {
        var name = _unkToken ?? otherwise;
        return _vocabulary!.Find(Encoding.UTF8.GetBytes(name)) is >= 0 and var id ? id : throw new TokenizerException($"The unknown token '{name}' is not in the vocabulary.");
    }

    private int[] ByteIds()
    {
        var ids = new int[256];
        for (var b = 0; b < 256; b++) ids[b] = _vocabulary!.Find(Encoding.ASCII.GetBytes($"<0x{b:X2}>"));
        return ids;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ReadVocabulary()
    {
        if (!_vocab.TryTake((byte)'{')) throw new TokenizerException("The model's vocab is not an object of tokens and ids.");
        // An entry takes some 16 bytes of the file and a merge as many again: near enough to avoid most of the growing.
        _vocabulary = new TokenTable(Math.Min(_fileLength / 64 + 64, 1 << 20), Math.Min(_fileLength / 8 + 64, 64 << 20));
        var first = true;
        while (_vocab.NextProperty(ref first, ref _scratch, out var token))
        {
            if (!_vocab.TryNumber(out var id))
                throw new TokenizerException($"The token '{Encoding.UTF8.GetString(token)}' has no valid id: got {Encoding.UTF8.GetString(_vocab.Value().ValueSpan)}, expected 0 … {TokenTable.MaxId - 1}.");
            if (_vocabulary.Has(id)) throw new TokenizerException($"Two tokens have the id {id}.");
            _vocabulary.Add(id, token);
        }
    }

    private void ReadScoredVocabulary()
    {
        if (!_vocab.TryTake((byte)'[')) throw new TokenizerException("The model's vocab is not a list of tokens with scores.");
        _vocabulary = new TokenTable(Math.Min(_fileLength / 32 + 64, 1 << 20), Math.Min(_fileLength / 4 + 64, 64 << 20));
        var first = true;
        while (_vocab.NextElement(ref first))
        {
            var id = _scores.Count;
            if (!_vocab.TryTake((byte)'[') || _vocab.Peek() != '"') throw new TokenizerException($"Entry {id} of the vocabulary has no token.");
            _vocabulary.Add(id, _vocab.Text(ref _scratch));
            if (!_vocab.TryTake((byte)',')) throw new TokenizerException($"Entry {id} of the vocabulary has no score.");
            var reader = _vocab.Value();
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetDouble(out var score) || !double.IsFinite(score))
                throw new TokenizerException($"Entry {id} of the vocabulary has no score.");
            _scores.Add(score);
            if (!_vocab.TryTake((byte)']')) throw new TokenizerException($"Entry {id} of the vocabulary is not a pair.");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private PooledList<(int Left, int Right, int Id)> ReadMerges()
    {
        var merges = new PooledList<(int, int, int)>(_fileLength / 64 + 16);
        if (!_hasMerges) return merges;
        try
        {
            using var tokens = new MergeTokens(_vocabulary!, _fileLength);
            ReadMergeTokens(tokens);
            var previous = 0;
            var joined = new byte[2 * _vocabulary!.MaxTokenLength];
            for (var merge = 0; merge < tokens.Count / 2; merge++)
            {
                var (left, right) = (tokens.Next(), tokens.Next());
                if (left < 0 || right < 0)
                    throw new TokenizerException($"Merge {merge} has the token '{Encoding.UTF8.GetString(tokens[(2 * merge) + (left < 0 ? 0 : 1)])}', which is not in the vocabulary.");
                previous = Joined(left, right, joined, previous, merge);
                merges.Add((left, right, previous));
            }
            return merges;
        }
        catch
        {
            merges.Dispose();
            throw;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ReadMergeTokens(MergeTokens tokens)
    {
        if (!_merges.TryTake((byte)'[')) throw new TokenizerException("The model's merges are not a list.");
        var first = true;
        while (_merges.NextElement(ref first))
        {
            if (_merges.Peek() == '"')
            {
                var pair = _merges.Text(ref _scratch);
                var space = pair.IndexOf((byte)' ');
                if (space < 0 || pair[(space + 1)..].Contains((byte)' ')) throw NoPair(tokens);
                tokens.Add(pair[..space]);
                tokens.Add(pair[(space + 1)..]);
            }
            else
            {
                if (!_merges.TryTake((byte)'[') || _merges.Peek() != '"') throw NoPair(tokens);
                tokens.Add(_merges.Text(ref _scratch));
                if (!_merges.TryTake((byte)',') || _merges.Peek() != '"') throw NoPair(tokens);
                tokens.Add(_merges.Text(ref _scratch));
                if (!_merges.TryTake((byte)']')) throw NoPair(tokens);
            }
        }
    }

    private static TokenizerException NoPair(MergeTokens tokens) => new($"Merge {tokens.Count / 2} is not a pair of tokens.");

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly int Joined(int left, int right, byte[] joined, int previous, int merge)
    {
        var first = _vocabulary![left];
        var second = _vocabulary[right];
        // The right token's prefix says that it continues a word: within the merged token it goes.
        if (_continuingPrefix is { Length: > 0 } prefix) second = second[Math.Min(second.Length, Encoding.UTF8.GetByteCount(prefix))..];
        first.CopyTo(joined);
        second.CopyTo(joined.AsSpan(first.Length));
        ReadOnlySpan<byte> both = joined.AsSpan(0, first.Length + second.Length);
        // Files list the merges in the order of what they make: most often it is the same token as before, or the next.
        if (_vocabulary[previous].SequenceEqual(both)) return previous;
        if (_vocabulary[previous + 1].SequenceEqual(both)) return previous + 1;
        return _vocabulary.Find(both) is >= 0 and var id ? id
            : throw new TokenizerException($"Merge {merge} makes '{Encoding.UTF8.GetString(both)}', which is not in the vocabulary.");
    }

    private static string? Text(ref Utf8JsonReader reader, string name) => reader.TokenType switch
    {
        JsonTokenType.Null => null,
        JsonTokenType.String => reader.GetString(),
        _ => throw new TokenizerException($"The model's {name} is not a text."),
    };

    private static bool Flag(ref Utf8JsonReader reader, string name) => reader.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False or JsonTokenType.Null => false,
        _ => throw new TokenizerException($"The model's {name} is neither true nor false."),
    };

    private static int Number(ref Utf8JsonReader reader, string name, int otherwise) => reader.TokenType switch
    {
        JsonTokenType.Null => otherwise,
        JsonTokenType.Number when reader.TryGetInt32(out var number) && number >= 0 => number,
        _ => throw new TokenizerException($"The model's {name} is not a whole number of 0 or more."),
    };
}
