using System.Collections;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Tokenizers;
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
        Assert.That(Find(text, from, [stop])?.Index, Is.EqualTo(index));

    [Test]
    public void The_earliest_match_wins() => Assert.That(Find("a b c", 0, ["c", "b"]), Is.EqualTo((2, "b")));

    [TestCase("ab,abc", "ab")]
    [TestCase("abc,ab", "abc")]
    public void Of_those_that_begin_together_the_first_in_the_list_wins(string stops, string found) =>
        Assert.That(Find("xabc", 0, stops.Split(',')), Is.EqualTo((1, found)));

    [TestCase("hello", 0)]
    [TestCase("hello\n", 1)]
    [TestCase("hello\n\n#", 3)]
    [TestCase("EN", 2)]
    [TestCase("ENE", 1)]
    public void Text_that_may_begin_a_stop_string_is_held_back(string text, int held)
    {
        var (stops, state) = (new StopStrings(["\n\n###", "END"]), 0);
        Assert.That(stops.Find(text, 0, ref state), Is.Null);
        Assert.That(stops.HeldBack(state), Is.EqualTo(held));
    }

    [Test]
    public void Pieces_come_to_what_a_search_of_the_whole_text_for_each_stop_string_finds()
    {
        var random = new Random(4);
        for (var round = 0; round < 2000; round++)
        {
            var stops = Enumerable.Range(0, random.Next(1, 6)).Select(_ => Text(random, random.Next(1, 5))).ToArray();
            var text = Text(random, random.Next(1, 20));
            var (automaton, state) = (new StopStrings(stops), 0);
            for (var from = 0; from < text.Length;)
            {
                var to = random.Next(from, text.Length + 1);
                var found = automaton.Find(text.AsSpan(from, to - from), from, ref state);
                Assert.That(found, Is.EqualTo(SearchEach(text[..to], from, stops)), $"{string.Join(',', stops)} in {text} from {from} to {to}");
                Assert.That(automaton.HeldBack(state), Is.EqualTo(LongestBeginning(text[..to], stops)), $"{string.Join(',', stops)} in {text[..to]}");
                from = to;
            }
        }
    }

    [Test]
    public void A_token_costs_the_same_whatever_the_number_of_stop_strings()
    {
        const int Count = 200;
        var tokenizer = Tokenizer.Load(TestModels.TinyGemma);
        var stops = new CountedReads([.. Enumerable.Range(0, Count).Select(i => $"never seen {i}")]);
        var parameters = new SamplingParams { Stop = stops, MaxTokens = 100 };
        int[] prompt = [.. tokenizer.Encode("Hello")];
        var sequence = new Sequence("s", prompt, parameters, new SamplerState(parameters, prompt));
        var output = new OutputState(sequence, tokenizer, new OutputCollector("s", null, prompt, parameters));
        var before = stops.Reads;
        Assert.That(before, Is.GreaterThanOrEqualTo(Count));
        foreach (var token in tokenizer.Encode("is never an everlasting word, seen from afar"))
        {
            sequence.Append(token);
            Assert.That(output.Append(hideToken: false, ends: false), Is.Null);
            output.Publish();
        }

        Assert.That(stops.Reads, Is.EqualTo(before), "the stop strings are gone through once, before the first token");
    }

    private static (int Index, string Stop)? Find(string text, int from, string[] stops)
    {
        var (automaton, state) = (new StopStrings(stops), 0);
        _ = automaton.Find(text.AsSpan(0, from), 0, ref state);
        return automaton.Find(text.AsSpan(from), from, ref state);
    }

    private static (int Index, string Stop)? SearchEach(string text, int from, string[] stops)
    {
        (int Index, string Stop)? first = null;
        foreach (var stop in stops)
        {
            var index = text.IndexOf(stop, Math.Clamp(from - stop.Length + 1, 0, text.Length), StringComparison.Ordinal);
            if (index >= 0 && (first is null || index < first.Value.Index)) first = (index, stop);
        }

        return first;
    }

    private static int LongestBeginning(string text, string[] stops) => stops
        .SelectMany(stop => Enumerable.Range(0, stop.Length).Where(length => text.EndsWith(stop[..length], StringComparison.Ordinal)))
        .Max();

    private static string Text(Random random, int length) => new([.. Enumerable.Range(0, length).Select(_ => (char)('a' + random.Next(2)))]);

    private sealed class CountedReads(string[] items) : IReadOnlyList<string>
    {
        public int Reads { get; private set; }

        public int Count => items.Length;

        public string this[int index]
        {
            get
            {
                Reads++;
                return items[index];
            }
        }

        public IEnumerator<string> GetEnumerator()
        {
            for (var i = 0; i < items.Length; i++) yield return this[i];
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
