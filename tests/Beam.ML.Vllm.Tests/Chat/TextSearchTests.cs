using Beam.ML.Vllm.Chat.Jinja;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Chat;

public sealed class TextSearchTests
{
    [Test]
    public void Finds_what_a_plain_search_finds_whatever_the_lengths()
    {
        var random = new Random(1);
        string Text(int length) => string.Create(length, random, (span, r) =>
        {
            for (var i = 0; i < span.Length; i++) span[i] = r.Next(8) == 0 ? 'b' : 'a';
        });

        for (var i = 0; i < 20_000; i++)
        {
            var text = Text(random.Next(200));
            // Half of them are parts of it.
            var from = random.Next(text.Length + 1);
            var part = i % 2 == 0 ? Text(random.Next(80)) : text.Substring(from, random.Next(text.Length - from + 1));
            Assert.That(TextSearch.IndexOf(text, part), Is.EqualTo(text.IndexOf(part, StringComparison.Ordinal)), $"'{part}' in '{text}'");
            Assert.That(TextSearch.LastIndexOf(text, part), Is.EqualTo(text.LastIndexOf(part, StringComparison.Ordinal)), $"'{part}' in '{text}', from its end");
        }
    }

    // To compare anew at each place would take 4 * 10^12 comparisons.
    [Test]
    public void Finds_long_texts_in_longer_ones_that_nearly_have_them_at_each_place()
    {
        const int Length = 1 << 20;
        var half = new string('a', Length);
        Assert.That(TextSearch.IndexOf(half + half + "b" + half, half + "b" + half), Is.EqualTo(Length));
        Assert.That(TextSearch.LastIndexOf(half + "b" + half + half, half + "b" + half), Is.Zero);
        Assert.That(TextSearch.IndexOf(half + half + half + half, half + "b" + half), Is.Negative);
        Assert.That(TextSearch.LastIndexOf(half + half + half + half, half + "b" + half), Is.Negative);
    }
}
