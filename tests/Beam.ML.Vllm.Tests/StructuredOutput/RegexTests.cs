using System.Text.RegularExpressions;
using Beam.ML.Vllm.StructuredOutput;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

[TestFixture]
public sealed class RegexTests
{
    [TestCase("a{2,3}?b", "aab", "ab")]
    [TestCase("^abc$", "abc", "abcd")]
    [TestCase("^a$|^b$", "b", "ab")]
    [TestCase("(?:^a|b)c$", "ac", "a")]
    [TestCase("(?P<year>[0-9]{4})(?<month>-[0-9]{2})", "2024-02", "2024-2")]
    [TestCase(@"\x41\u0042\u{1F600}\U00000043", "AB😀C", "ABC")]
    [TestCase(@"\ud83d\ude00", "😀", "?")]
    [TestCase(".", "é", "\n")]
    [TestCase("(?s).", "\n", "")]
    [TestCase(@"[^\d\s]", "漢", "7")]
    [TestCase(@"[\]\-a]+", "]-a", "b")]
    [TestCase("[]a]", "]", "b")]
    [TestCase("[a-]", "-", "b")]
    [TestCase("[[:alpha:]_]+", "a_Z", "1")]
    [TestCase(@"\p{Lu}\p{Ll}+", "Éa", "éa")]
    [TestCase(@"\P{L}", "1", "a")]
    [TestCase(@"a\.b\/c", "a.b/c", "axb/c")]
    [TestCase("a{,2}", "aa", "aaa")]
    [TestCase("a{x}", "a{x}", "a")]
    [TestCase("", "", "a")]
    [TestCase("(a|)b", "b", "c")]
    [TestCase("(a*)*b", "aaab", "aaa")]
    [TestCase("[é-ï]", "ê", "e")]
    [TestCase("[\u0000-\U0010FFFF]", "\U0010FFFF", "")]
    [TestCase("(ab{3}){2}", "abbbabbb", "abbb")]
    public void A_pattern_accepts_whole_texts(string pattern, string accepted, string refused)
    {
        var language = Language.Regex(pattern);
        Assert.Multiple(() =>
        {
            Assert.That(language.Accepts(accepted), Is.True, accepted);
            Assert.That(language.Accepts(refused), Is.False, refused);
        });
    }

    [TestCase("(a", "not closed")]
    [TestCase("a)", "too many")]
    [TestCase("[a", "not closed")]
    [TestCase("a**", "quantifier follows another")]
    [TestCase("*a", "nothing before it")]
    [TestCase(@"(a)\1", "back-references")]
    [TestCase("(?=a)", "look-ahead")]
    [TestCase("(?<!a)b", "look-ahead and look-behind")]
    [TestCase("(?>a)", "atomic")]
    [TestCase("(?i)a", "inline flags")]
    [TestCase("a++", "possessive")]
    [TestCase(@"\bword\b", "word boundaries")]
    [TestCase("a^b", "^ and $")]
    [TestCase("a{3,2}", "wrong order")]
    [TestCase("[z-a]", "wrong order")]
    [TestCase(@"\q", "not known")]
    [TestCase(@"\p{Greek}", "not supported")]
    [TestCase(@"\ud800", "surrogate")]
    [TestCase("a{2000000}", "1048576")]
    [TestCase("[^\0-\U0010FFFF]", "No text fits")]
    public void What_is_malformed_or_not_supported_is_refused_by_name(string pattern, string reason) =>
        Assert.That(() => Language.Regex(pattern), Throws.InstanceOf<StructuredOutputException>().With.Message.Contains(reason));

    [Test]
    public void Random_patterns_accept_what_the_regular_expressions_of_dotnet_accept()
    {
        var random = new Random(5);
        for (var i = 0; i < 400; i++)
        {
            var pattern = Pattern(random, 4);
            var expected = new Regex($@"\A(?:{pattern})\z", RegexOptions.CultureInvariant | RegexOptions.ECMAScript, TimeSpan.FromSeconds(5));
            var language = Language.Regex(pattern);
            for (var j = 0; j < 40; j++)
            {
                var text = string.Concat(Enumerable.Range(0, random.Next(7)).Select(_ => "ab c"[random.Next(4)]));
                Assert.That(language.Accepts(text), Is.EqualTo(expected.IsMatch(text)), $"{pattern} on '{text}'");
            }
        }
    }

    [Test]
    public void Every_character_of_a_class_is_its_own_bytes()
    {
        var random = new Random(9);
        for (var i = 0; i < 30; i++)
        {
            var (a, b) = (RandomRune(random), RandomRune(random));
            var (low, high) = a.Value < b.Value ? (a, b) : (b, a);
            var language = Language.Regex($"[\\U{low.Value:x8}-\\U{high.Value:x8}]");
            foreach (var rune in Enumerable.Range(0, 200).Select(_ => RandomRune(random)).Concat([low, high]))
                Assert.That(language.Accepts(rune.ToString()), Is.EqualTo(rune.Value >= low.Value && rune.Value <= high.Value), $"{low.Value:x}-{high.Value:x}: {rune.Value:x}");
        }
    }

    private static System.Text.Rune RandomRune(Random random)
    {
        while (true)
        {
            var value = random.Next(random.Next(3) switch { 0 => 0x900, 1 => 0x11000, _ => 0x110000 });
            if (System.Text.Rune.IsValid(value)) return new System.Text.Rune(value);
        }
    }

    private static string Pattern(Random random, int depth) => (depth == 0 ? 0 : random.Next(8)) switch
    {
        0 => "ab"[random.Next(2)].ToString(),
        1 => new[] { "[ab]", "[^a]", @"\w", @"\s", ".", "c" }[random.Next(6)],
        2 or 3 => Pattern(random, depth - 1) + Pattern(random, depth - 1),
        4 => $"({Pattern(random, depth - 1)}|{Pattern(random, depth - 1)})",
        5 => $"(?:{Pattern(random, depth - 1)})*",
        6 => $"(?:{Pattern(random, depth - 1)}){{{random.Next(3)},{random.Next(3, 5)}}}",
        _ => $"({Pattern(random, depth - 1)})?",
    };
}
