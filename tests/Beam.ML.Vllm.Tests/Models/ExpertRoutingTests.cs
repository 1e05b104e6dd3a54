using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>Which experts a row goes to, with which weights, and that the others do not matter.</summary>
[TestFixture]
public sealed unsafe class ExpertRoutingTests
{
    [Test]
    public void Each_row_goes_to_its_best_experts_and_of_equal_ones_to_the_first()
    {
        float[] logits = [1, 3, 3, 0, 0, 0, 0, 0, -2, -1, 5, 4];
        var pairs = Choose(logits, rows: 3, count: 2, normalize: true);
        var e = MathF.Exp(-1);
        Assert.That(pairs.Select(p => (p.Expert, p.Row)), Is.EqualTo(new[] { (0, 1), (1, 0), (1, 1), (2, 0), (2, 2), (3, 2) }));
        Assert.That(pairs.Select(p => p.Weight), Is.EqualTo(new[] { 0.5f, 0.5f, 0.5f, 0.5f, 1 / (1 + e), e / (1 + e) }).Within(1e-6));
    }

    [Test]
    public void Weights_that_are_not_normalized_are_shares_among_all_experts()
    {
        var pairs = Choose([0, 1, 2, 3], rows: 1, count: 2, normalize: false);
        var sum = Enumerable.Range(0, 4).Sum(i => Math.Exp(i));
        Assert.That(pairs.Select(p => p.Weight), Is.EqualTo(new[] { (float)(Math.Exp(2) / sum), (float)(Math.Exp(3) / sum) }).Within(1e-6));
    }

    [Test]
    public void Every_row_has_each_of_its_experts_once_whatever_was_routed_before()
    {
        var random = new Random(11);
        var routing = new ExpertRouting();
        for (var round = 0; round < 200; round++)
        {
            int rows = random.Next(1, 40), experts = random.Next(1, 20), count = random.Next(1, experts + 1);
            var logits = Enumerable.Range(0, rows * experts).Select(_ => (float)random.Next(-3, 4)).ToArray();
            var pairs = Choose(logits, rows, count, normalize: true, routing);
            Assert.That(pairs, Has.Length.EqualTo(rows * count));
            foreach (var row in pairs.GroupBy(p => p.Row))
            {
                Assert.That(row.Select(p => p.Expert).Distinct().Count(), Is.EqualTo(count));
                Assert.That(row.Sum(p => p.Weight), Is.EqualTo(1).Within(1e-5));
            }
        }
    }

    [Test]
    public void Weights_of_experts_that_no_row_has_chosen_do_not_matter()
    {
        using var pool = new WorkerPool(1);
        using var kernels = CpuKernels.Create(InstructionSets.Best, pool);
        using var workspace = new Workspace();
        using var cache = new KvCache([], 1, 16, KvCacheFormat.Float32);
        var context = new ForwardContext(kernels, workspace, cache, new PagedBatch());
        var owned = new List<PackedMatrix>();
        Linear Make(int outputs, int inputs, Func<int, int, float> weight)
        {
            var packed = new PackedMatrix(outputs, inputs, WeightFormat.Float32, kernels.PanelWidth);
            for (var o = 0; o < outputs; o++) packed.SetOutput(o, [.. Enumerable.Range(0, inputs).Select(i => weight(o, i))]);
            owned.Add(packed);
            return new Linear(packed);
        }

        // The router sends x = (1, …) to experts 2 and 0; the others hold what is not a number.
        float[] preference = [2, -1, 3, -2];
        var experts = Enumerable.Range(0, 4).Select(e => new GatedMlp(
            Make(6, 4, (o, i) => e % 2 == 0 ? 0.1f * (o + i + e) : float.NaN), Make(4, 3, (o, i) => e % 2 == 0 ? 0.2f * (o - i) : float.NaN), Activation.Silu)).ToArray();
        var mixture = new MixtureOfExperts(Make(4, 4, (o, _) => preference[o]), experts, perRow: 2, normalize: true);
        var x = new float[] { 1, 0.5f, 0.25f, 0.125f };
        var y = new float[4];
        fixed (float* px = x, py = y) mixture.Forward(context, new Matrix(px, 1, 4, 4), new Matrix(py, 1, 4, 4), add: false);
        Assert.That(y, Is.All.Matches<float>(float.IsFinite));
        Assert.That(y, Is.Not.All.EqualTo(0));
        foreach (var matrix in owned) matrix.Dispose();
    }

    private static (int Expert, int Row, float Weight)[] Choose(float[] logits, int rows, int count, bool normalize, ExpertRouting? routing = null)
    {
        routing ??= new ExpertRouting();
        var experts = logits.Length / rows;
        fixed (float* data = logits) routing.Choose(new Matrix(data, rows, experts, experts), count, normalize);
        return [.. Enumerable.Range(0, experts).SelectMany(expert =>
        {
            var (first, entries) = routing.Entries(expert);
            return Enumerable.Range(first, entries).Select(i => (expert, routing.Rows[i], routing.Weights[i]));
        })];
    }
}
