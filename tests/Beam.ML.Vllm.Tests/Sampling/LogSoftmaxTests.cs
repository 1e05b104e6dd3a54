using Beam.ML.Vllm.Sampling;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Sampling;

/// <summary>Log probabilities against the definition, in double precision.</summary>
[TestFixture]
public sealed class LogSoftmaxTests
{
    [Test]
    public void Values_and_ranks_are_those_of_the_definition([Values(1, 5, 8, 100, 32_003)] int vocabulary, [Values(0, 1, 20, 65, -1)] int top)
    {
        var random = new Random(vocabulary);
        var logits = Enumerable.Range(0, vocabulary).Select(_ => (float)(random.NextDouble() * 60 - 30)).ToArray();
        var expected = Reference(logits);
        var order = Enumerable.Range(0, vocabulary).OrderByDescending(i => logits[i]).ThenBy(i => i).ToArray();
        var token = random.Next(vocabulary);
        var row = LogSoftmax.Row(logits, token, top);
        var count = top == -1 ? vocabulary : Math.Min(top, vocabulary);
        Assert.Multiple(() =>
        {
            Assert.That(row.TokenId, Is.EqualTo(token));
            Assert.That(row.Value, Is.EqualTo(expected[token]).Within(4e-6));
            Assert.That(row.Rank, Is.EqualTo(Array.IndexOf(order, token) + 1));
            Assert.That(row.TopIds, Is.EqualTo(order.Take(count)));
            Assert.That(row.TopValues, Is.EqualTo(order.Take(count).Select(i => (float)expected[i])).Within(4e-6));
            Assert.That(row.TopRanks, Is.Null);
        });
    }

    [Test]
    public void Of_equals_the_lower_id_comes_first_in_lists_and_ranks_alike([Values(3, 70)] int top)
    {
        var logits = Enumerable.Range(0, 80).Select(i => (float)(i % 2)).ToArray();
        var row = LogSoftmax.Row(logits, 3, top);
        Assert.That(row.Rank, Is.EqualTo(2));
        Assert.That(row.TopIds.Take(3), Is.EqualTo(new[] { 1, 3, 5 }));
        Assert.That(row.TopValues[0], Is.EqualTo(row.TopValues[1]));
    }

    [Test]
    public void The_likeliest_are_those_of_a_full_sort_whatever_their_order_and_however_many_are_equal(
        [Values(64, 65, 100, 1000, 4001, 4002)] int top, [Values("random", "rising", "falling", "few")] string order)
    {
        var random = new Random(top);
        var logits = Enumerable.Range(0, 4003).Select(i => order switch
        {
            "rising" => i / 3,
            "falling" => -i / 3,
            "few" => random.Next(5),
            _ => random.NextSingle(),
        }).ToArray();
        logits[7] = float.NegativeInfinity;
        Assert.That(LogSoftmax.Row(logits, 0, top).TopIds, Is.EqualTo(Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).ThenBy(i => i).Take(top)));
    }

    [Test]
    public void Named_tokens_come_in_their_order_with_their_ranks()
    {
        var row = LogSoftmax.Row([1, 4, 2, 3], tokenId: 0, top: 2, tokenIds: [3, 1]);
        Assert.That((row.Rank, row.TopIds, row.TopRanks), Is.EqualTo((4, new[] { 3, 1 }, new[] { 2, 1 })));
    }

    [Test]
    public void Extremes_stay_numbers()
    {
        Assert.That(LogSoftmax.Row([1e30f, -1e30f, 0], 0, 3).TopValues, Is.EqualTo(new[] { 0f, -1e30f, -2e30f }));
        Assert.That(LogSoftmax.Row([0, float.NegativeInfinity, 0, float.NegativeInfinity], 1, 1).Value, Is.EqualTo(float.NegativeInfinity));
        Assert.That(LogSoftmax.Row([5, 5], 0, 0).Value, Is.EqualTo(MathF.Log(0.5f)).Within(1e-7));
    }

    internal static double[] Reference(ReadOnlySpan<float> logits)
    {
        var values = new double[logits.Length];
        var max = double.NegativeInfinity;
        foreach (var logit in logits) max = Math.Max(max, logit);
        var sum = 0.0;
        foreach (var logit in logits) sum += Math.Exp(logit - max);
        for (var i = 0; i < values.Length; i++) values[i] = logits[i] - max - Math.Log(sum);
        return values;
    }
}
