using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Tokenizers.Json;
using Beam.ML.Vllm.Tokenizers.Normalizers;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.PreTokenizers;

/// <summary>Takes the pieces that a pre-tokenizer makes.</summary>
internal interface IPieceSink
{
    /// <param name="piece">A piece, never empty.</param>
    /// <param name="first">Whether it is at the very start of the text that was to be encoded.</param>
    void Add(ReadOnlySpan<char> piece, bool first);

    /// <summary>What splitting the text may take.</summary>
    PatternTime Time { get; }
}

/// <summary>Splits a text into the pieces that the model sees one by one: the <c>pre_tokenizer</c> of a tokenizer.json.</summary>
internal abstract class PreTokenizer
{
    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public abstract void Split(ReadOnlySpan<char> text, bool first, IPieceSink sink);

    /// <summary>Builds what a tokenizer.json describes; null for none.</summary>
    public static PreTokenizer? Create(JsonElement spec)
    {
        if (spec.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined) return null;
        var type = spec.Type("pre-tokenizer");
        return type switch
        {
            "Sequence" => new SequencePreTokenizer([.. spec.List("pretokenizers").Select(Create).OfType<PreTokenizer>()]),
            "Split" => new SplitPreTokenizer(TextPattern.Create(spec.Get("pattern")), Behavior(spec, "isolated"), spec.Flag("invert", false)),
            "ByteLevel" => new ByteLevelPreTokenizer(
                spec.Flag("add_prefix_space", true), spec.Flag("use_regex", true) ? new SplitPreTokenizer(new RegexPattern(Gpt2), SplitBehavior.Isolated, false) : null),
            "Metaspace" => Metaspace(spec),
            "Whitespace" => new WhitespacePreTokenizer(),
            "WhitespaceSplit" => new SplitPreTokenizer(new RunePattern(Rune.IsWhiteSpace), SplitBehavior.Removed, false),
            "Punctuation" => new SplitPreTokenizer(new RunePattern(Runes.IsPunctuation), Behavior(spec, "isolated"), false),
            "Digits" => new SplitPreTokenizer(
                new RunePattern(Rune.IsNumber), spec.Flag("individual_digits", false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous, false),
            "CharDelimiterSplit" => new SplitPreTokenizer(new LiteralPattern(spec.Text("delimiter")), SplitBehavior.Removed, false),
            "BertPreTokenizer" => new SequencePreTokenizer([
                new SplitPreTokenizer(new RunePattern(Rune.IsWhiteSpace), SplitBehavior.Removed, false),
                new SplitPreTokenizer(new RunePattern(Runes.IsPunctuation), SplitBehavior.Isolated, false)]),
            "FixedLength" => new FixedLengthPreTokenizer(Math.Max(1, spec.Number("length", 5))),
            _ => throw new TokenizerException($"The pre-tokenizer '{type}' is not supported."),
        };
    }

    private static MetaspacePreTokenizer Metaspace(JsonElement spec)
    {
        var scheme = spec.OptionalText("prepend_scheme") ?? (spec.Flag("add_prefix_space", true) ? "always" : "never");
        if (scheme is not ("always" or "never" or "first")) throw new TokenizerException($"The pre-tokenizer 'Metaspace' has the unknown prepend_scheme '{scheme}'.");
        return new(spec.OptionalText("replacement") ?? "▁", scheme, spec.Flag("split", true));
    }

    private static SplitBehavior Behavior(JsonElement spec, string otherwise) => (spec.OptionalText("behavior") ?? otherwise).ToLowerInvariant().Replace("_", "", StringComparison.Ordinal) switch
    {
        "removed" => SplitBehavior.Removed,
        "isolated" => SplitBehavior.Isolated,
        "mergedwithprevious" => SplitBehavior.MergedWithPrevious,
        "mergedwithnext" => SplitBehavior.MergedWithNext,
        "contiguous" => SplitBehavior.Contiguous,
        var other => throw new TokenizerException($"A pre-tokenizer has the unknown behavior '{other}'."),
    };
}

internal sealed class SequencePreTokenizer(PreTokenizer[] parts) : PreTokenizer
{
    public override void Split(ReadOnlySpan<char> text, bool first, IPieceSink sink)
    {
        for (var i = parts.Length - 1; i >= 0; i--) sink = new Stage(parts[i], sink);
        sink.Add(text, first);
    }

    private sealed class Stage(PreTokenizer part, IPieceSink next) : IPieceSink
    {
        public PatternTime Time => next.Time;

        public void Add(ReadOnlySpan<char> piece, bool first) => part.Split(piece, first, next);
    }
}

/// <summary>Writes the text in GPT-2's byte alphabet, after splitting it where asked to.</summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, SplitPreTokenizer? split) : PreTokenizer
{
    public override void Split(ReadOnlySpan<char> text, bool first, IPieceSink sink)
    {
        using var prefixed = addPrefixSpace && text.Length > 0 && !char.IsWhiteSpace(text[0]) ? new PooledList<char>(text.Length + 1) : null;
        if (prefixed is not null)
        {
            prefixed.Add(' ');
            prefixed.AddRange(text);
            text = prefixed.Span;
        }
        using var writer = new Writer(sink);
        if (split is null) writer.Add(text, first);
        else split.Split(text, first, writer);
    }

    private sealed class Writer(IPieceSink next) : IPieceSink, IDisposable
    {
        private readonly PooledList<byte> _utf8 = new(64);
        private readonly PooledList<char> _chars = new(64);

        public PatternTime Time => next.Time;

        public void Add(ReadOnlySpan<char> piece, bool first)
        {
            _chars.Clear();
            ByteAlphabet.Encode(piece, _utf8, _chars);
            next.Add(_chars.Span, first);
        }

        public void Dispose()
        {
            _utf8.Dispose();
            _chars.Dispose();
        }
    }
}

/// <summary>Writes spaces as <c>▁</c>, with one before the text if asked to, and splits before each.</summary>
internal sealed class MetaspacePreTokenizer(string replacement, string scheme, bool split) : PreTokenizer
{
    private readonly SplitPreTokenizer _split = new(new LiteralPattern(replacement), SplitBehavior.MergedWithNext, false);

    public override void Split(ReadOnlySpan<char> text, bool first, IPieceSink sink)
    {
        using var replaced = new PooledList<char>(text.Length + 8);
        var prepend = scheme == "always" || (scheme == "first" && first);
        if (prepend && text.Length > 0 && text[0] != ' ' && !text.StartsWith(replacement, StringComparison.Ordinal)) replaced.AddRange(replacement);
        foreach (var c in text)
            if (c == ' ') replaced.AddRange(replacement);
            else replaced.Add(c);
        if (split) _split.Split(replaced.Span, first, sink);
        else if (replaced.Count > 0) sink.Add(replaced.Span, first);
    }
}

/// <summary>Words, and runs of what is neither a word nor white space.</summary>
internal sealed class WhitespacePreTokenizer : PreTokenizer
{
    public override void Split(ReadOnlySpan<char> text, bool first, IPieceSink sink)
    {
        var (start, kind) = (0, 0);
        for (var at = 0; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text[at..], out var rune, out var length);
            var next = Rune.IsWhiteSpace(rune) ? 0 : Runes.IsWord(rune) ? 1 : 2;
            if (next != kind)
            {
                if (kind != 0) sink.Add(text[start..at], first && start == 0);
                (start, kind) = (at, next);
            }
            at += length;
        }
        if (kind != 0) sink.Add(text[start..], first && start == 0);
    }
}

/// <summary>Pieces of so many characters.</summary>
internal sealed class FixedLengthPreTokenizer(int length) : PreTokenizer
{
    public override void Split(ReadOnlySpan<char> text, bool first, IPieceSink sink)
    {
        var (start, count) = (0, 0);
        for (var at = 0; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text[at..], out _, out var used);
            at += used;
            if (++count < length && at < text.Length) continue;
            sink.Add(text[start..at], first && start == 0);
            (start, count) = (at, 0);
        }
    }
}
