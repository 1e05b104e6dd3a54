using NUnit.Framework;

namespace Beam.Core.Tests.Transforms;

public sealed class BatchSizeEstimatorTests
{
    [Test]
    public void Batches_grow_by_two_at_most_until_the_overhead_is_small_enough()
    {
        // 1 s a batch and 10 ms an element: an overhead of 5 % is at 1,900 elements; 10 s beyond the fixed cost at 1,000.
        var options = new BatchElementsOptions { TargetBatchDuration = TimeSpan.FromSeconds(10), Variance = 0 };
        var sizes = Run(options, n => 1 + (0.010 * n), 40);
        for (var i = 1; i < sizes.Count; i++) Assert.That(sizes[i], Is.LessThanOrEqualTo((2 * sizes[i - 1]) + 1));
        Assert.That(sizes[^1], Is.InRange(950, 1050));
    }

    [Test]
    public void The_fixed_cost_counts_where_the_target_includes_it()
    {
        var options = new BatchElementsOptions
        {
            TargetBatchDuration = null, TargetBatchOverhead = null, TargetBatchDurationIncludingFixedCost = TimeSpan.FromSeconds(3), Variance = 0,
        };
        Assert.That(Run(options, n => 1 + (0.010 * n), 40)[^1], Is.InRange(190, 210));
    }

    [Test]
    public void Sizes_stay_within_their_limits()
    {
        var options = new BatchElementsOptions { MinBatchSize = 5, MaxBatchSize = 20 };
        Assert.That(Run(options, n => 0.0001 * n, 300), Has.All.InRange(5, 20));
        Assert.That(Run(options, n => 1000 + n, 300), Has.All.InRange(5, 20));
        Assert.That(Run(options, _ => 0, 300), Has.All.InRange(5, 20));
    }

    [Test]
    public void One_size_is_one_size() =>
        Assert.That(Run(new BatchElementsOptions { MinBatchSize = 7, MaxBatchSize = 7 }, n => n, 10), Has.All.EqualTo(7));

    [Test]
    public void An_outlier_does_not_throw_it_off()
    {
        var round = 0;
        var options = new BatchElementsOptions { TargetBatchOverhead = null, TargetBatchDuration = TimeSpan.FromSeconds(1), Variance = 0.25 };
        var sizes = Run(options, n => (round++ == 60 ? 100 : 0.1) + (0.010 * n), 90);
        Assert.That(sizes.Skip(70), Has.All.InRange(60, 140));
    }

    [Test]
    public void The_first_batch_of_a_bundle_is_repeated_before_it_is_learned_from()
    {
        var estimator = new BatchSizeEstimator(new BatchElementsOptions(), random: new Random(1));
        estimator.Record(1, TimeSpan.FromSeconds(1));
        estimator.Record(2, TimeSpan.FromSeconds(1.01));
        estimator.IgnoreNextTiming();
        estimator.Record(4, TimeSpan.FromSeconds(60));
        Assert.That(estimator.NextBatchSize(), Is.EqualTo(4));
        Assert.That(estimator.NextBatchSize(), Is.EqualTo(4), "twice 2, as if the slow one had not been");
    }

    private static List<int> Run(BatchElementsOptions options, Func<int, double> seconds, int rounds)
    {
        var estimator = new BatchSizeEstimator(options, random: new Random(1));
        var sizes = new List<int>();
        for (var i = 0; i < rounds; i++)
        {
            sizes.Add(estimator.NextBatchSize());
            estimator.Record(sizes[^1], TimeSpan.FromSeconds(seconds(sizes[^1])));
        }

        return sizes;
    }
}
