using Beam.ML.Vllm.Engine;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

[TestFixture]
public sealed class NgramIndexTests
{
    [Test]
    public void The_longest_match_counts_and_of_equals_the_last()
    {
        var index = new NgramIndex(1, 3);
        Assert.Multiple(() =>
        {
            Assert.That(index.FindContinuation([7]), Is.EqualTo(-1));
            Assert.That(index.FindContinuation([7, 8, 9, 8]), Is.EqualTo(2));
            Assert.That(index.FindContinuation([7, 8, 9, 8, 9]), Is.EqualTo(3));
            Assert.That(index.FindContinuation([7, 8, 9, 8, 9, 5]), Is.EqualTo(-1));
            Assert.That(index.FindContinuation([7, 8, 9, 8, 9, 5, 9, 8, 9]), Is.EqualTo(5));
            Assert.That(index.FindContinuation([7, 8, 9, 8, 9, 5, 9, 8, 9, 7, 8]), Is.EqualTo(2));
            Assert.That(index.FindContinuation([7, 8, 9, 8, 9, 5, 9, 8, 9, 7, 8, 9]), Is.EqualTo(3));
        });
    }

    /// <summary>Texts of few tokens grow by random pieces; each search equals one through the whole text.</summary>
    [FsCheck.NUnit.Property(MaxTest = 200)]
    public Property A_search_finds_what_reading_the_whole_text_finds() => Prop.ForAll(ArbMap.Default.ArbFor<int>(), seed =>
    {
        var random = new Random(seed);
        int shortest = random.Next(1, 5), longest = random.Next(shortest, 7), alphabet = random.Next(1, 6);
        var index = new NgramIndex(shortest, longest);
        var text = new List<int>();
        while (text.Count < 300)
        {
            for (var more = random.Next(1, 12); more > 0; more--) text.Add(random.Next(alphabet));
            int[] tokens = [.. text];
            if (index.FindContinuation(tokens) != Naive(tokens, shortest, longest)) return false;
        }

        return true;
    });

    [Test]
    public void A_long_text_takes_little_memory_and_no_more_time_for_each_token()
    {
        var random = new Random(1);
        int[] text = [.. Enumerable.Range(0, 200_000).Select(_ => random.Next(50_000))];
        var index = new NgramIndex(2, 5);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var length = 1; length <= text.Length; length++) index.FindContinuation(text.AsSpan(0, length));

        // With the tables that were outgrown on the way.
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4L * 24 * text.Length));
    }

    private static int Naive(ReadOnlySpan<int> text, int shortest, int longest)
    {
        for (var length = Math.Min(longest, text.Length); length >= shortest; length--)
        {
            var run = text[^length..];
            for (var start = text.Length - length - 1; start >= 0; start--)
            {
                if (text.Slice(start, length).SequenceEqual(run)) return start + length;
            }
        }

        return -1;
    }
}
