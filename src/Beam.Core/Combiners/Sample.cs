using Beam.Coders;
using Beam.Coders.Collections;
using Beam.Coders.Standard;

namespace Beam;

/// <summary>Samples.</summary>
public static class SampleExtensions
{
    /// <summary><paramref name="n"/> elements chosen at random, each as likely as any other, as one list; all if there are fewer.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="n">How many; at least 1.</param>
    /// <param name="withoutDefaults">Whether an empty collection gives no element instead of an empty list.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<IReadOnlyList<T>> Sample<T>(this PCollection<T> input, int n, bool withoutDefaults = false, string? name = null) =>
        input.CombineGlobally(new SampleFn<T>(n), withoutDefaults, name);

    /// <summary><paramref name="n"/> of each key's values chosen at random; all if there are fewer.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="n">How many; at least 1.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<KV<TKey, IReadOnlyList<T>>> SamplePerKey<TKey, T>(this PCollection<KV<TKey, T>> input, int n, string? name = null) =>
        input.CombinePerKey(new SampleFn<T>(n), name);

    /// <summary>Any <paramref name="n"/> elements, those that are cheapest to get; all if there are fewer.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="n">How many; at least 1.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> SampleAny<T>(this PCollection<T> input, int n, string? name = null) =>
        input.Apply(name ?? "SampleAny", all => all
            .CombineGlobally(new FirstFn<T>(n), withoutDefaults: true)
            .Apply(new ParDoTransform<List<T>, T>(new FlatMapFn<List<T>, T>(static values => values), all.Coder), "Elements"));
}

/// <summary>A uniform sample: every value draws a random number, and the n smallest win, however the values were split.</summary>
/// <typeparam name="T">The type of the values.</typeparam>
public sealed class SampleFn<T> : CombineFn<T, List<KV<long, T>>, IReadOnlyList<T>>, IAccumulatorCoderOfInput<T, List<KV<long, T>>>
{
    private readonly int n;

    /// <summary>Chooses <paramref name="n"/> values.</summary>
    /// <param name="n">How many; at least 1.</param>
    public SampleFn(int n)
    {
        if (n < 1) throw new PipelineConstructionException($"Sample of {n}: there must be at least one.");
        this.n = n;
    }

    /// <inheritdoc/>
    public override List<KV<long, T>> CreateAccumulator() => [];

    /// <inheritdoc/>
    public override List<KV<long, T>> AddInput(List<KV<long, T>> accumulator, T input)
    {
        accumulator.Add(KV.Of(Random.Shared.NextInt64(), input));
        if (accumulator.Count >= Math.Max(16L, 2L * n)) Keep(accumulator);
        return accumulator;
    }

    /// <inheritdoc/>
    public override List<KV<long, T>> MergeAccumulators(IEnumerable<List<KV<long, T>>> accumulators)
    {
        var merged = new List<KV<long, T>>();
        foreach (var accumulator in accumulators)
        {
            merged.AddRange(accumulator);
            if (merged.Count > n) Keep(merged);
        }

        return merged;
    }

    /// <inheritdoc/>
    public override IReadOnlyList<T> ExtractOutput(List<KV<long, T>> accumulator) => [.. Keep(accumulator).Select(kv => kv.Value)];

    /// <inheritdoc/>
    public override List<KV<long, T>> Compact(List<KV<long, T>> accumulator) => Keep(accumulator);

    Coder<List<KV<long, T>>> IAccumulatorCoderOfInput<T, List<KV<long, T>>>.AccumulatorCoderFor(Coder<T> input) =>
        new ListCoder<List<KV<long, T>>, KV<long, T>>(new KvCoder<long, T>(IntegerCoder<long, Varint64Format>.Instance, input));

    private List<KV<long, T>> Keep(List<KV<long, T>> drawn)
    {
        if (drawn.Count <= n) return drawn;
        drawn.Sort(static (x, y) => x.Key.CompareTo(y.Key));
        drawn.RemoveRange(n, drawn.Count - n);
        return drawn;
    }
}

/// <summary>The first n values that come.</summary>
internal sealed class FirstFn<T> : CombineFn<T, List<T>, List<T>>, IAccumulatorCoderOfInput<T, List<T>>
{
    private readonly int n;

    public FirstFn(int n)
    {
        if (n < 1) throw new PipelineConstructionException($"Sample of {n}: there must be at least one.");
        this.n = n;
    }

    public override List<T> CreateAccumulator() => [];

    public override List<T> AddInput(List<T> accumulator, T input)
    {
        if (accumulator.Count < n) accumulator.Add(input);
        return accumulator;
    }

    public override List<T> MergeAccumulators(IEnumerable<List<T>> accumulators) => [.. accumulators.SelectMany(static a => a).Take(n)];

    public override List<T> ExtractOutput(List<T> accumulator) => accumulator;

    Coder<List<T>> IAccumulatorCoderOfInput<T, List<T>>.AccumulatorCoderFor(Coder<T> input) => new ListCoder<List<T>, T>(input);
}
