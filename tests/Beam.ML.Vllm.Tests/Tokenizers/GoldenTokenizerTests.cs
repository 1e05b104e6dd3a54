using Beam.ML.Vllm.Tokenizers;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Tokenizers;

[TestFixtureSource(typeof(Golden), nameof(Golden.TokenizerNames))]
public sealed class GoldenTokenizerTests(string name)
{
    private readonly Tokenizer _tokenizer = Golden.Load(name);

    [Test]
    public void Texts_encode_to_the_ids_of_the_reference_library()
    {
        var wrong = Golden.Cases(name).Where(c => !_tokenizer.Encode(c.Text).SequenceEqual(c.Ids))
            .Select(c => $"{c.Text.ReplaceLineEndings("\\n")}\n  expected {string.Join(' ', c.Ids)}\n  got      {string.Join(' ', _tokenizer.Encode(c.Text))}").ToArray();
        Assert.That(wrong, Is.Empty, string.Join('\n', wrong.Take(5)));
    }

    [Test]
    public void Texts_encode_without_special_tokens_around_them_when_asked_to()
    {
        var wrong = Golden.Cases(name).Where(c => !_tokenizer.Encode(c.Text, addSpecialTokens: false).SequenceEqual(c.IdsWithoutSpecial ?? c.Ids));
        Assert.That(wrong.Select(c => c.Text), Is.Empty);
    }

    [Test]
    public void Ids_decode_to_the_text_of_the_reference_library()
    {
        var wrong = Golden.Cases(name).Where(c => _tokenizer.Decode(c.Ids) != c.Decoded)
            .Select(c => $"expected [{c.Decoded}]\n  got      [{_tokenizer.Decode(c.Ids)}]").ToArray();
        Assert.That(wrong, Is.Empty, string.Join('\n', wrong.Take(5)));
    }

    [Test]
    public void Ids_decode_with_special_tokens_when_asked_to()
    {
        var wrong = Golden.Cases(name).Where(c => c.DecodedWithSpecial is not null && _tokenizer.Decode(c.Ids, skipSpecialTokens: false) != c.DecodedWithSpecial)
            .Select(c => $"expected [{c.DecodedWithSpecial}]\n  got      [{_tokenizer.Decode(c.Ids, false)}]").ToArray();
        Assert.That(wrong, Is.Empty, string.Join('\n', wrong.Take(5)));
    }

    [Test]
    public void Token_by_token_the_same_text_comes_out()
    {
        foreach (var c in Golden.Cases(name))
        {
            var detokenizer = new IncrementalDetokenizer(_tokenizer, []);
            var text = string.Concat(c.Ids.Select(detokenizer.Append)) + detokenizer.Flush();
            Assert.That(text, Is.EqualTo(c.Decoded));
            Assert.That(detokenizer.Text, Is.EqualTo(c.Decoded));
        }
    }
}
