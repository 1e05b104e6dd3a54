using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Tokenizers.Decoding;
using Beam.ML.Vllm.Tokenizers.Json;
using Beam.ML.Vllm.Tokenizers;
using Beam.ML.Vllm.Tokenizers.Normalizers;
using Beam.ML.Vllm.Tokenizers.PreTokenizers;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Tokenizers;

public sealed class TokenizerPartsTests
{
    private static JsonElement Spec(string json) => JsonDocument.Parse(json).RootElement;

    // Expectations by Python's unicodedata and the reference library's documentation.
    [TestCase("""{"type": "NFC"}""", "e\u0301 \u1100\u1161\u11A8 a\u0323\u0307", "é 각 \u1EA1\u0307")]
    [TestCase("""{"type": "NFD"}""", "é 각 \u1EAD", "e\u0301 \u1100\u1161\u11A8 a\u0323\u0302")]
    [TestCase("""{"type": "NFKC"}""", "ﬁ ① ｶﾞ ²", "fi 1 ガ 2")]
    [TestCase("""{"type": "NFKD"}""", "ﬁé", "fie\u0301")]
    [TestCase("""{"type": "NFD"}""", "a\u0307\u0323", "a\u0323\u0307")]
    [TestCase("""{"type": "NFC"}""", "\u0344 \u2126", "\u0308\u0301 Ω")]
    [TestCase("""{"type": "Lowercase"}""", "ÀB İ ΣΣ", "àb i\u0307 σσ")]
    [TestCase("""{"type": "Strip", "strip_left": true, "strip_right": false}""", "  a ", "a ")]
    [TestCase("""{"type": "StripAccents"}""", "e\u0301a", "ea")]
    [TestCase("""{"type": "Replace", "pattern": {"Regex": "a+"}, "content": "$0"}""", "baac", "b$0c")]
    [TestCase("""{"type": "Replace", "pattern": {"String": "aa"}, "content": "x"}""", "baaac", "bxac")]
    [TestCase("""{"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "_"}, {"type": "Lowercase"}]}""", "A", "_a")]
    [TestCase("""{"type": "ByteLevel"}""", "a é", "aĠÃ©")]
    [TestCase("""{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}""", "A\u0000\té字b", "a e 字 b")]
    [TestCase("""{"type": "Nmt"}""", "a\u0001b\u200Bc", "ab c")]
    public void A_normalizer_rewrites_text(string spec, string text, string expected) => Assert.That(Normalizer.Create(Spec(spec))!.Normalize(text), Is.EqualTo(expected));

    [Test]
    public void A_long_run_of_marks_is_put_in_order_in_time()
    {
        var text = "a" + string.Concat(Enumerable.Repeat("\u0307\u0323", 200_000));
        var normalized = Normalizer.Create(Spec("""{"type": "NFD"}"""))!.Normalize(text);
        Assert.That(normalized, Is.EqualTo("a" + new string('\u0323', 200_000) + new string('\u0307', 200_000)));
    }

    private sealed class Pieces : List<string>, IPieceSink
    {
        public PatternTime Time { get; init; } = new(length: 0);

        void IPieceSink.Add(ReadOnlySpan<char> piece, bool first) => Add(piece.ToString());
    }

    [TestCase("""{"type": "Split", "pattern": {"String": "-"}, "behavior": "Removed"}""", "a--b-", "a|b")]
    [TestCase("""{"type": "Split", "pattern": {"String": "-"}, "behavior": "Isolated"}""", "a--b-", "a|-|-|b|-")]
    [TestCase("""{"type": "Split", "pattern": {"String": "-"}, "behavior": "MergedWithPrevious"}""", "a--b-", "a-|-|b-")]
    [TestCase("""{"type": "Split", "pattern": {"String": "-"}, "behavior": "MergedWithNext"}""", "a--b-", "a|-|-b|-")]
    [TestCase("""{"type": "Split", "pattern": {"String": "-"}, "behavior": "Contiguous"}""", "a--b-", "a|--|b|-")]
    [TestCase("""{"type": "Split", "pattern": {"Regex": "\\w+"}, "behavior": "Removed", "invert": true}""", "a, b", "a|b")]
    [TestCase("""{"type": "Split", "pattern": {"Regex": "\\p{L}++|\\s?+"}, "behavior": "Isolated"}""", "ab c", "ab| |c")]
    [TestCase("""{"type": "Split", "pattern": {"Regex": "[\\p{Han}]+"}, "behavior": "Isolated"}""", "a字漢b", "a|字漢|b")]
    [TestCase("""{"type": "Split", "pattern": {"Regex": "[\\p{L}&&[^\\p{Han}]]+"}, "behavior": "Isolated"}""", "a字b", "a|字|b")]
    [TestCase("""{"type": "Split", "pattern": {"Regex": "\\p{L}+"}, "behavior": "Isolated"}""", "1𝐀𠀀b2", "1|𝐀𠀀b|2")]
    [TestCase("""{"type": "Whitespace"}""", "Hey, you! a_b", "Hey|,|you|!|a_b")]
    [TestCase("""{"type": "WhitespaceSplit"}""", " Hey, you ", "Hey,|you")]
    [TestCase("""{"type": "Punctuation", "behavior": "Isolated"}""", "a?!b", "a|?|!|b")]
    [TestCase("""{"type": "Digits", "individual_digits": true}""", "a12b", "a|1|2|b")]
    [TestCase("""{"type": "Digits", "individual_digits": false}""", "a12b", "a|12|b")]
    [TestCase("""{"type": "CharDelimiterSplit", "delimiter": "x"}""", "axb", "a|b")]
    [TestCase("""{"type": "BertPreTokenizer"}""", "Hey, you", "Hey|,|you")]
    [TestCase("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}""", "a b  c", "▁a|▁b|▁|▁c")]
    [TestCase("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false}""", "a b", "a▁b")]
    [TestCase("""{"type": "Metaspace", "replacement": "▁", "add_prefix_space": false}""", "a b", "a|▁b")]
    [TestCase("""{"type": "ByteLevel", "add_prefix_space": true}""", "it's  é", "Ġit|'s|Ġ|ĠÃ©")]
    [TestCase("""{"type": "FixedLength", "length": 2}""", "ab🙂de", "ab|🙂d|e")]
    [TestCase("""{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": true}]}""", "a1 b", "a|1|b")]
    public void A_pre_tokenizer_splits_text(string spec, string text, string expected)
    {
        var pieces = new Pieces();
        PreTokenizer.Create(Spec(spec))!.Split(text, true, pieces);
        Assert.That(string.Join('|', pieces), Is.EqualTo(expected));
    }

    // Each look at the clock finds a second gone.
    [TestCase("""{"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Isolated"}""", "aaaaaaaaaaaaaaaaaaaa", TestName = "Matches in one piece share the time of a text")]
    [TestCase("""{"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Isolated"}""", "aaaaaaaaa𝐀aaaaaaaaaaa", TestName = "Matches among characters of two units share the time of a text")]
    [TestCase("""{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "ByteLevel", "add_prefix_space": false}]}""", "a b c d e f g h i j k l m n o p q r s t", TestName = "Matches in many pieces share the time of a text")]
    public void Patterns_share_the_time_of_a_text(string spec, string text)
    {
        long clock = 0;
        var pieces = new Pieces { Time = new PatternTime(text.Length, () => clock += 1000) };
        Assert.That(() => PreTokenizer.Create(Spec(spec))!.Split(text, true, pieces), Throws.TypeOf<TokenizerException>().With.Message.Contains("took longer"));
        Assert.That(pieces, Has.Count.LessThan(12));
    }

    [Test]
    public void Patterns_of_normalizers_share_the_time_of_a_text()
    {
        long clock = 0;
        const string Replace = """{"type": "Replace", "pattern": {"Regex": "a"}, "content": "b"}""";
        var normalizer = Normalizer.Create(Spec($$"""{"type": "Sequence", "normalizers": [{{string.Join(", ", Enumerable.Repeat(Replace, 12))}}]}"""))!;
        Assert.That(() => normalizer.Normalize("a", new PatternTime(1, () => clock += 1000)), Throws.TypeOf<TokenizerException>().With.Message.Contains("took longer"));
    }

    [Test]
    public void A_long_text_has_more_time_for_its_patterns()
    {
        long clock = 0;
        var pieces = new Pieces { Time = new PatternTime(10_000_000, () => clock += 1000) };
        PreTokenizer.Create(Spec("""{"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Isolated"}"""))!.Split(new string('a', 50), true, pieces);
        Assert.That(pieces, Has.Count.EqualTo(50));
    }

    [TestCase("""null""", "a b", "a b")]
    [TestCase("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}""", "▁a▁ ▁b", "a b")]
    [TestCase("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"}""", "▁a ▁b", " a b")]
    [TestCase("""{"type": "WordPiece", "prefix": "##", "cleanup": true}""", "a ##b , c", "ab, c")]
    [TestCase("""{"type": "BPEDecoder", "suffix": "</w>"}""", "a b</w> c</w>", "ab c")]
    [TestCase("""{"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true}""", "h h <pad> h | i", "hh i")]
    [TestCase("""{"type": "ByteFallback"}""", "a <0xC3> <0xA9> <0xC3> b", "a\uFFFD\uFFFD\uFFFDb")]
    [TestCase("""{"type": "ByteFallback"}""", "<0xC3> <0xA9> b", "éb")]
    [TestCase("""{"type": "Strip", "content": "_", "start": 1, "stop": 1}""", "__a_ _b", "_ab")]
    [TestCase("""{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": "_", "start": 1, "stop": 2}]}""", "__a_ _b_ __", "_a__b_")]
    [TestCase("""{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": "_", "start": 2, "stop": 2}]}""", "_ _ _ _ _", "_")]
    [TestCase("""{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "ab"}, "content": "x"}]}""", "a b", "x")]
    [TestCase("""{"type": "Replace", "pattern": {"Regex": "b+"}, "content": "x"}""", "abb b", "axx")]
    [TestCase("""{"type": "ByteLevel"}""", "aĠ Ã ©", "a é")]
    public void A_decoder_joins_tokens(string spec, string tokens, string expected)
    {
        var bytes = new List<byte>();
        var first = DecoderPlan.Create(Spec(spec)).Build(new Bytes(bytes));
        foreach (var token in tokens.Split(' ')) first.Push(Encoding.UTF8.GetBytes(token));
        first.Flush();
        Assert.That(Encoding.UTF8.GetString([.. bytes]), Is.EqualTo(expected));
    }

    private sealed class Bytes(List<byte> all) : DecoderStage(null)
    {
        public override void Push(ReadOnlySpan<byte> token) => all.AddRange(token);

        public override void Flush() { }
    }

    [TestCase("""{"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}""", "2", "3")]
    [TestCase("""{"type": "RobertaProcessing", "sep": ["</s>", 3], "cls": ["<s>", 2], "trim_offsets": true, "add_prefix_space": false}""", "2", "3")]
    [TestCase("""{"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "BertProcessing", "sep": ["", 3], "cls": ["", 2]}, {"type": "BertProcessing", "sep": ["", 5], "cls": ["", 4]}]}""", "4 2", "3 5")]
    public void A_post_processor_puts_tokens_around_a_text(string spec, string before, string after)
    {
        var processor = PostProcessor.Create(Spec(spec));
        Assert.That((string.Join(' ', processor.Before), string.Join(' ', processor.After)), Is.EqualTo((before, after)));
    }

    [TestCase("a<x>b", "a[7]b")]
    [TestCase("a <x> b", "a[7]b", true, true)]
    [TestCase("a <x> b", "a[7] b", true, false)]
    [TestCase("a<x>b <x> <x>", "a<x>b [7] [7]", false, false, true)]
    [TestCase("<x><x>", "[7][7]", true, true)]
    public void Added_tokens_are_found_with_the_white_space_that_they_take(string text, string expected, bool left = false, bool right = false, bool single = false)
    {
        var matcher = new AddedTokenMatcher([("<x>", new AddedToken(7, "<x>", LStrip: left, RStrip: right, SingleWord: single))]);
        var (result, at) = ("", 0);
        while (matcher.Next(text, at) is { } match)
        {
            result += text[at..match.Start] + $"[{match.Token.Id}]";
            at = match.End;
        }
        Assert.That(result + text[at..], Is.EqualTo(expected));
    }

    [Test]
    public void Of_added_tokens_at_a_place_the_longest_is_found()
    {
        var matcher = new AddedTokenMatcher(new[] { "<a", "<a>", "<a>b" }.Select((t, i) => (t, new AddedToken(i, t))));
        Assert.That(matcher.Next("x<a>bc<a", 0), Is.EqualTo((new AddedToken(2, "<a>b"), 1, 5)));
        Assert.That(matcher.Next("x<a>bc<a", 5)!.Value.Token.Id, Is.EqualTo(0));
    }
}
