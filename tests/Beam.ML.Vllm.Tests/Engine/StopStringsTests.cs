using Beam.ML.Vllm.Engine;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

[TestFixture]
public sealed class StopStringsTests
{
    [TestCase("abc END def", 0, "END", 4)]
    [TestCase("abcEND", 5, "END", 3)]
    [TestCase("ENDabc", 3, "END", null)]
    [TestCase("ENDabc", 2, "END", 0)]
    [TestCase("", 0, "END", null)]
    public void A_match_must_reach_into_the_new_text(string text, int from, string stop, int? index) =>
        Assert.That(StopStrings.Find(text, from, [stop])?.Index, Is.EqualTo(index));

    [Test]
    public void The_earliest_match_wins() => Assert.That(StopStrings.Find("a b c", 0, ["c", "b"]), Is.EqualTo((2, "b")));

    [TestCase("hello", 0)]
    [TestCase("hello\n", 1)]
    [TestCase("hello\n\n#", 3)]
    [TestCase("EN", 2)]
    [TestCase("ENE", 1)]
    public void Text_that_may_begin_a_stop_string_is_held_back(string text, int held) =>
        Assert.That(StopStrings.HeldBack(text, ["\n\n###", "END"]), Is.EqualTo(held));
}
