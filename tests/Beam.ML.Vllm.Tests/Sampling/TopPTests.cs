using Beam.ML.Vllm.Sampling;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Sampling;

public sealed class TopPTests
{
    private static IEnumerable<TestCaseData> Weights()
    {
        var random = new Random(5);
        foreach (var (length, spread) in new[] { (1, 1.0), (2, 1.0), (17, 0.1), (500, 3.0), (5000, 1.0), (5000, 8.0), (60_000, 2.5), (60_000, 30.0) })
            yield return new TestCaseData(Normal(random, length, spread)).SetArgDisplayNames($"{length} of spread {spread}");
        yield return new TestCaseData(Enumerable.Repeat(1f, 1000).ToArray()).SetArgDisplayNames("1000 equal ones");
        yield return new TestCaseData(Enumerable.Range(0, 1000).Select(i => (float)Math.Pow(0.5, i % 7)).ToArray()).SetArgDisplayNames("seven times many equal ones");
        yield return new TestCaseData(Enumerable.Range(0, 1000).Select(i => i == 500 ? 1f : i % 3 == 0 ? 0 : 1e-38f).ToArray()).SetArgDisplayNames("one, and next to nothing");
        yield return new TestCaseData(new[] { 0, 0, 1f, 0 }).SetArgDisplayNames("one alone");
    }

    [TestCaseSource(nameof(Weights))]
    public void It_keeps_what_sorting_all_of_them_would_keep(float[] weights)
    {
        foreach (var topP in (double[])[1e-6, 0.1, 0.5, 0.9, 0.95, 0.999, 1 - 1e-12])
        {
            var total = weights.Sum(w => (double)w);
            var kept = (float[])weights.Clone();
            TopP.Keep(kept, topP, total);
            Assert.That(kept, Is.EqualTo(Sorted(weights, topP, total)), $"top_p {topP}");
        }
    }

    [Test]
    public void Few_of_a_large_vocabulary_are_put_in_order([Values(0.5, 0.95, 0.999)] double topP, [Values(1.25, 2.5)] double spread)
    {
        var weights = Normal(new Random(3), 262_144, spread);
        Assert.That(TopP.Keep(weights, topP, weights.Sum(w => (double)w)), Is.InRange(1, weights.Length / 50));
    }

    private static float[] Normal(Random random, int length, double spread)
    {
        var logits = Enumerable.Range(0, length)
            .Select(_ => spread * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())).ToArray();
        var max = logits.Max();
        return [.. logits.Select(l => (float)Math.Exp(l - max))];
    }

    private static float[] Sorted(float[] weights, double topP, double total)
    {
        var (result, kept) = (new float[weights.Length], 0.0);
        foreach (var id in Enumerable.Range(0, weights.Length).OrderByDescending(id => weights[id]).ThenBy(id => id))
        {
            if (kept >= topP * total) break;
            kept += result[id] = weights[id];
        }

        return result;
    }
}
