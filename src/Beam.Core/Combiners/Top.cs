using Beam.Coders;
using Beam.Coders.Collections;

namespace Beam;

/// <summary>The n largest or smallest elements.</summary>
public static class TopExtensions
{
    /// <summary>The <paramref name="n"/> largest elements as one list, the largest first.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="n">How many; at least 1.</param>
    /// <param name="comparison">The order; the type's own if null. By a reversed one these are the smallest.</param>
    /// <param name="withoutDefaults">Whether an empty collection gives no element instead of an empty list.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<IReadOnlyList<T>> Top<T>(
        this PCollection<T> input, int n, Comparison<T>? comparison = null, bool withoutDefaults = false, string? name = null) =>
        input.CombineGlobally(new TopFn<T>(n, comparison), withoutDefaults, name);

    /// <summary>The <paramref name="n"/> smallest elements as one list, the smallest first.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="n">How many; at least 1.</param>
    /// <param name="withoutDefaults">Whether an empty collection gives no element instead of an empty list.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<IReadOnlyList<T>> Smallest<T>(this PCollection<T> input, int n, bool withoutDefaults = false, string? name = null) =>
        input.CombineGlobally(new TopFn<T>(n, static (x, y) => Comparer<T>.Default.Compare(y, x)), withoutDefaults, name ?? "Smallest");

    /// <summary>The <paramref name="n"/> largest of each key's values, the largest first.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="n">How many; at least 1.</param>
    /// <param name="comparison">The order; the type's own if null. By a reversed one these are the smallest.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<KV<TKey, IReadOnlyList<T>>> TopPerKey<TKey, T>(
        this PCollection<KV<TKey, T>> input, int n, Comparison<T>? comparison = null, string? name = null) =>
        input.CombinePerKey(new TopFn<T>(n, comparison), name);

    /// <summary>The <paramref name="n"/> smallest of each key's values, the smallest first.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="n">How many; at least 1.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<KV<TKey, IReadOnlyList<T>>> SmallestPerKey<TKey, T>(this PCollection<KV<TKey, T>> input, int n, string? name = null) =>
        input.CombinePerKey(new TopFn<T>(n, static (x, y) => Comparer<T>.Default.Compare(y, x)), name ?? "SmallestPerKey");
}

/// <summary>The n largest values, the largest first.</summary>
/// <typeparam name="T">The type of the values.</typeparam>
public sealed class TopFn<T> : CombineFn<T, List<T>, IReadOnlyList<T>>, IAccumulatorCoderOfInput<T, List<T>>
{
    private readonly int n;
    private readonly Comparison<T>? comparison;

    /// <summary>Finds the <paramref name="n"/> largest.</summary>
    /// <param name="n">How many; at least 1.</param>
    /// <param name="comparison">The order; the type's own if null.</param>
    public TopFn(int n, Comparison<T>? comparison = null)
    {
        if (n < 1) throw new PipelineConstructionException($"Top {n}: there must be at least one.");
        (this.n, this.comparison) = (n, comparison);
    }

    /// <inheritdoc/>
    public override List<T> CreateAccumulator() => [];

    /// <inheritdoc/>
    public override List<T> AddInput(List<T> accumulator, T input)
    {
        accumulator.Add(input);
        // Sorting twice as many as are kept, once in n inputs, costs less than keeping them sorted.
        if (accumulator.Count >= Math.Max(16L, 2L * n)) Keep(accumulator);
        return accumulator;
    }

    /// <inheritdoc/>
    public override List<T> MergeAccumulators(IEnumerable<List<T>> accumulators)
    {
        var merged = new List<T>();
        foreach (var accumulator in accumulators)
        {
            merged.AddRange(accumulator);
            if (merged.Count > n) Keep(merged);
        }

        return merged;
    }

    /// <inheritdoc/>
    public override IReadOnlyList<T> ExtractOutput(List<T> accumulator) => Keep(accumulator);

    /// <inheritdoc/>
    public override List<T> Compact(List<T> accumulator) => Keep(accumulator);

    Coder<List<T>> IAccumulatorCoderOfInput<T, List<T>>.AccumulatorCoderFor(Coder<T> input) => new ListCoder<List<T>, T>(input);

    private List<T> Keep(List<T> values)
    {
        values.Sort((x, y) => comparison is null ? Comparer<T>.Default.Compare(y, x) : comparison(y, x));
        if (values.Count > n) values.RemoveRange(n, values.Count - n);
        return values;
    }
}
