using Beam.Testing;
using NUnit.Framework;
using PropertyAttribute = FsCheck.NUnit.PropertyAttribute;

namespace Beam.Core.Tests.Combiners;

/// <summary>However inputs are split over accumulators, and these are merged, the result is that of all inputs.</summary>
public sealed class CombineFnTests
{
    [Property]
    public void A_sum_is_that_of_all(int[][] parts) => Holds(new SumFn<long>(), Longs(parts), all => all.Sum());

    [Property]
    public void A_count_is_that_of_all(int[][] parts) => Holds(new CountFn<int>(), parts, all => (long)all.Length);

    [Property]
    public void A_mean_is_that_of_all(short[][] parts) => Holds(new MeanFn<short>(), parts, all => all.Length == 0 ? double.NaN : all.Average(x => (double)x));

    [Property]
    public void Extremes_are_those_of_all(int[][] parts)
    {
        if (parts.All(p => p.Length == 0)) return;
        Holds(new MinFn<int>(), parts, all => all.Min());
        Holds(new MaxFn<int>(), parts, all => all.Max());
        Holds(new MaxFn<int>((x, y) => y.CompareTo(x)), parts, all => all.Min());
    }

    [Property]
    public void The_top_are_those_of_all(int[][] parts, byte n) =>
        Holds(new TopFn<int>(n + 1), parts, all => all.OrderDescending().Take(n + 1).ToArray(), (x, y) => x.SequenceEqual(y));

    [Property]
    public void A_list_is_all(int[][] parts) => Holds(new ToListFn<int>(), parts, all => all.Order().ToList(), (x, y) => x.SequenceEqual(y.Order()));

    [Property]
    public void A_function_of_values_is_applied_to_its_own_results(int[][] parts) =>
        Holds(new FunctionCombineFn<long>(values => values.Sum()), Longs(parts), all => all.Sum());

    [Property]
    public void A_sample_has_the_size_that_it_can_have_and_nothing_else(int[] values, byte n)
    {
        var fn = new SampleFn<int>(n + 1);
        var sample = fn.ExtractOutput(values.Aggregate(fn.CreateAccumulator(), fn.AddInput));
        Assert.That(sample, Has.Count.EqualTo(Math.Min(values.Length, n + 1)));
        Assert.That(sample, Is.SubsetOf(values));
    }

    [Test]
    public void A_sample_is_uniform()
    {
        // 2 of 10 in two accumulators of different sizes: each value is expected 4,000 of 20,000 times; 6 standard deviations are 340.
        var fn = new SampleFn<int>(2);
        var counts = new int[10];
        for (var round = 0; round < 20_000; round++)
        {
            var left = Enumerable.Range(0, 7).Aggregate(fn.CreateAccumulator(), fn.AddInput);
            var right = Enumerable.Range(7, 3).Aggregate(fn.CreateAccumulator(), fn.AddInput);
            foreach (var value in fn.ExtractOutput(fn.MergeAccumulators([left, right]))) counts[value]++;
        }

        Assert.That(counts, Has.All.InRange(3660, 4340));
    }

    [Test]
    public void A_function_holds_few_values_of_many()
    {
        var fn = new FunctionCombineFn<int>(values => values.Max());
        var accumulator = fn.CreateAccumulator();
        for (var i = 0; i < 100_000; i++)
        {
            accumulator = fn.AddInput(accumulator, i);
            Assert.That(accumulator, Has.Count.LessThan(1000));
        }

        Assert.That(fn.ExtractOutput(accumulator), Is.EqualTo(99_999));
    }

    [Test]
    public void A_sum_that_does_not_fit_is_an_error() =>
        Assert.Throws<OverflowException>(() => new SumFn<int>().MergeAccumulators([int.MaxValue, 1]));

    [Test]
    public void The_largest_of_nothing_is_an_error() => Assert.Throws<InvalidOperationException>(() => new MaxFn<int>().ExtractOutput([]));

    private static long[][] Longs(int[][] parts) => [.. parts.Select(p => p.Select(x => (long)x).ToArray())];

    private static void Holds<TIn, TAcc, TOut>(CombineFn<TIn, TAcc, TOut> fn, TIn[][] parts, Func<TIn[], TOut> expected) =>
        Holds(fn, parts, expected, (x, y) => Equals(x, y));

    private static void Holds<TIn, TAcc, TOut, TExpected>(
        CombineFn<TIn, TAcc, TOut> fn, TIn[][] parts, Func<TIn[], TExpected> expected, Func<TExpected, TOut, bool> areEqual)
    {
        TAcc Of(TIn[] values) => values.Aggregate(fn.CreateAccumulator(), fn.AddInput);
        var want = expected([.. parts.SelectMany(p => p)]);
        Assert.That(areEqual(want, fn.ExtractOutput(Of([.. parts.SelectMany(p => p)]))), "all at once");
        Assert.That(areEqual(want, fn.ExtractOutput(fn.MergeAccumulators(parts.Select(Of)))), "merged at once");
        var oneByOne = parts.Aggregate(fn.CreateAccumulator(), (sum, p) => fn.MergeAccumulators([fn.Compact(Of(p)), sum]));
        Assert.That(areEqual(want, fn.ExtractOutput(oneByOne)), "merged one by one");
    }
}
