using Beam.Coders;
using Beam.Coders.Collections;

namespace Beam;

/// <summary>Collections as one element.</summary>
public static class ToCollectionExtensions
{
    /// <summary>All elements as one list, in any order.</summary>
    /// <param name="input">The collection, which must fit into memory.</param>
    /// <param name="withoutDefaults">Whether an empty collection gives no element instead of an empty list.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<List<T>> ToList<T>(this PCollection<T> input, bool withoutDefaults = false, string? name = null) =>
        input.CombineGlobally(new ToListFn<T>(), withoutDefaults, name ?? "ToList");

    /// <summary>All pairs as one dictionary; of several values of a key, any.</summary>
    /// <param name="input">The collection, which must fit into memory.</param>
    /// <param name="withoutDefaults">Whether an empty collection gives no element instead of an empty dictionary.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<Dictionary<TKey, TValue>> ToDictionary<TKey, TValue>(
        this PCollection<KV<TKey, TValue>> input, bool withoutDefaults = false, string? name = null) where TKey : notnull =>
        input.CombineGlobally(new ToDictionaryFn<TKey, TValue>(), withoutDefaults, name ?? "ToDictionary");
}

/// <summary>All values.</summary>
internal sealed class ToListFn<T> : CombineFn<T, List<T>, List<T>>, IAccumulatorCoderOfInput<T, List<T>>
{
    public override List<T> CreateAccumulator() => [];

    public override List<T> AddInput(List<T> accumulator, T input)
    {
        accumulator.Add(input);
        return accumulator;
    }

    public override List<T> MergeAccumulators(IEnumerable<List<T>> accumulators) => [.. accumulators.SelectMany(static a => a)];

    public override List<T> ExtractOutput(List<T> accumulator) => accumulator;

    Coder<List<T>> IAccumulatorCoderOfInput<T, List<T>>.AccumulatorCoderFor(Coder<T> input) => new ListCoder<List<T>, T>(input);
}

/// <summary>All pairs.</summary>
internal sealed class ToDictionaryFn<TKey, TValue> : CombineFn<KV<TKey, TValue>, Dictionary<TKey, TValue>, Dictionary<TKey, TValue>> where TKey : notnull
{
    public override Dictionary<TKey, TValue> CreateAccumulator() => [];

    public override Dictionary<TKey, TValue> AddInput(Dictionary<TKey, TValue> accumulator, KV<TKey, TValue> input)
    {
        accumulator[input.Key] = input.Value;
        return accumulator;
    }

    public override Dictionary<TKey, TValue> MergeAccumulators(IEnumerable<Dictionary<TKey, TValue>> accumulators)
    {
        var merged = new Dictionary<TKey, TValue>();
        foreach (var (key, value) in accumulators.SelectMany(static a => a)) merged[key] = value;
        return merged;
    }

    public override Dictionary<TKey, TValue> ExtractOutput(Dictionary<TKey, TValue> accumulator) => accumulator;
}
