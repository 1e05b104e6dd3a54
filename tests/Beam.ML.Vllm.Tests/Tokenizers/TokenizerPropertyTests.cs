using System.Text;
using Beam.ML.Vllm.Tokenizers;
using FsCheck.Fluent;
using FsCheck;
using NUnit.Framework;
using NUnitProperty = FsCheck.NUnit.PropertyAttribute;

namespace Beam.ML.Vllm.Tests.Tokenizers;

[TestFixtureSource(typeof(Golden), nameof(Golden.TokenizerNames))]
public sealed class TokenizerPropertyTests(string name)
{
    private readonly Tokenizer _tokenizer = Golden.Load(name);

    [NUnitProperty(MaxTest = 300)]
    public Property Decoding_token_by_token_equals_decoding_the_whole(int[] seeds, bool skipSpecial)
    {
        var ids = seeds.Select(s => (int)((uint)s * 2654435761u % (uint)(_tokenizer.VocabularySize + 2))).ToArray();
        var whole = _tokenizer.Decode(ids, skipSpecial);
        var detokenizer = new IncrementalDetokenizer(_tokenizer, [], skipSpecial);
        var parts = ids.Select(detokenizer.Append).ToList();
        parts.Add(detokenizer.Flush());
        return (string.Concat(parts) == whole && parts.All(p => p.Length == 0 || !char.IsHighSurrogate(p[^1]))).Label(whole);
    }

    [NUnitProperty(MaxTest = 300)]
    public Property A_prompt_and_what_follows_it_decode_to_the_text_of_both(int[] seeds, byte cut)
    {
        var ids = seeds.Select(s => (int)((uint)s * 2654435761u % (uint)_tokenizer.VocabularySize)).ToArray();
        var prompt = ids.Length == 0 ? 0 : cut % Math.Min(ids.Length, 32);
        var before = new IncrementalDetokenizer(_tokenizer, []);
        var head = string.Concat(ids.Take(prompt).Select(before.Append));
        var after = new IncrementalDetokenizer(_tokenizer, ids.AsSpan(0, prompt));
        var tail = string.Concat(ids.Skip(prompt).Select(after.Append)) + after.Flush();
        return (head + tail == _tokenizer.Decode(ids)).ToProperty();
    }

    [NUnitProperty(MaxTest = 300)]
    public void Any_string_encodes_to_ids_of_the_vocabulary(string? text)
    {
        text ??= "";
        var ids = _tokenizer.Encode(text);
        Assert.That(ids, Is.All.InRange(0, _tokenizer.VocabularySize - 1));
        Assert.That(() => _tokenizer.Decode(ids), Throws.Nothing);
    }

    [Test]
    public void Lone_surrogates_are_read_as_the_replacement_character()
    {
        foreach (var text in (string[])["\uD83D", "a\uDE42b", "\uDE42\uD83D", "x \uD83D\uD83D\uDE42"])
            Assert.That(_tokenizer.Encode(text), Is.EqualTo(_tokenizer.Encode(string.Concat(text.EnumerateRunes().Select(r => r.ToString())))));
    }

    [Test]
    public void Megabytes_without_a_break_take_time_in_proportion()
    {
        var texts = new[] { new string('a', 2_000_000), string.Concat(Enumerable.Repeat("ab ", 500_000)), string.Concat(Enumerable.Repeat("🙂", 200_000)), new string(' ', 1_000_000) };
        foreach (var text in texts) Assert.That(_tokenizer.Encode(text).Length, Is.LessThanOrEqualTo(Encoding.UTF8.GetByteCount(text) + 2));
    }
}
