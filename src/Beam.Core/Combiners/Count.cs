using Beam.Coders;
using Beam.Coders.Standard;

namespace Beam;

/// <summary>Numbers of elements.</summary>
public static class CountExtensions
{
    /// <summary>How many elements there are.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="withoutDefaults">Whether an empty collection gives no element; must be true in windows other than the global one.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<long> Count<T>(this PCollection<T> input, bool withoutDefaults = false, string? name = null) =>
        input.CombineGlobally(new CountFn<T>(), withoutDefaults, name ?? "Count");

    /// <summary>How many values each key has.</summary>
    public static PCollection<KV<TKey, long>> CountPerKey<TKey, TValue>(this PCollection<KV<TKey, TValue>> input, string? name = null) =>
        input.CombinePerKey(new CountFn<TValue>(), name ?? "CountPerKey");

    /// <summary>How often each element occurs.</summary>
    public static PCollection<KV<T, long>> CountPerElement<T>(this PCollection<T> input, string? name = null) =>
        input.Apply(name ?? "CountPerElement", static all => all
            .Apply(new ParDoTransform<T, KV<T, bool>>(
                new MapFn<T, KV<T, bool>>(static value => KV.Of(value, true)), new KvCoder<T, bool>(all.Coder, BoolCoder.Instance)), "Pair")
            .CombinePerKey(new CountFn<bool>()));
}

/// <summary>Counts.</summary>
/// <typeparam name="T">The type of what is counted.</typeparam>
public sealed class CountFn<T> : CombineFn<T, long, long>
{
    /// <inheritdoc/>
    public override Coder<long> AccumulatorCoder => IntegerCoder<long, Varint64Format>.Instance;

    /// <inheritdoc/>
    public override long CreateAccumulator() => 0;

    /// <inheritdoc/>
    public override long AddInput(long accumulator, T input) => accumulator + 1;

    /// <inheritdoc/>
    public override long MergeAccumulators(IEnumerable<long> accumulators) => accumulators.Sum();

    /// <inheritdoc/>
    public override long ExtractOutput(long accumulator) => accumulator;
}
