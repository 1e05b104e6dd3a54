using Beam.Coders;
using Beam.Coders.Collections;

namespace Beam;

/// <summary>Smallest and largest elements.</summary>
public static class MinMaxExtensions
{
    /// <summary>The smallest element; none of an empty collection.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="comparison">The order; the type's own if null.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> Min<T>(this PCollection<T> input, Comparison<T>? comparison = null, string? name = null) =>
        input.CombineGlobally(new MinFn<T>(comparison), withoutDefaults: true, name);

    /// <summary>The largest element; none of an empty collection.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="comparison">The order; the type's own if null.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> Max<T>(this PCollection<T> input, Comparison<T>? comparison = null, string? name = null) =>
        input.CombineGlobally(new MaxFn<T>(comparison), withoutDefaults: true, name);

    /// <summary>The smallest of each key's values.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="comparison">The order; the type's own if null.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<KV<TKey, T>> MinPerKey<TKey, T>(this PCollection<KV<TKey, T>> input, Comparison<T>? comparison = null, string? name = null) =>
        input.CombinePerKey(new MinFn<T>(comparison), name);

    /// <summary>The largest of each key's values.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="comparison">The order; the type's own if null.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<KV<TKey, T>> MaxPerKey<TKey, T>(this PCollection<KV<TKey, T>> input, Comparison<T>? comparison = null, string? name = null) =>
        input.CombinePerKey(new MaxFn<T>(comparison), name);
}

/// <summary>The smallest value.</summary>
/// <param name="comparison">The order; the type's own if null.</param>
/// <typeparam name="T">The type of the values.</typeparam>
public sealed class MinFn<T>(Comparison<T>? comparison = null) : ChoosingFn<T>
{
    private protected override bool IsBetter(T candidate, T chosen) =>
        (comparison is null ? Comparer<T>.Default.Compare(candidate, chosen) : comparison(candidate, chosen)) < 0;
}

/// <summary>The largest value.</summary>
/// <param name="comparison">The order; the type's own if null.</param>
/// <typeparam name="T">The type of the values.</typeparam>
public sealed class MaxFn<T>(Comparison<T>? comparison = null) : ChoosingFn<T>
{
    private protected override bool IsBetter(T candidate, T chosen) =>
        (comparison is null ? Comparer<T>.Default.Compare(candidate, chosen) : comparison(candidate, chosen)) > 0;
}

/// <summary>Any value: the first that comes.</summary>
internal sealed class AnyFn<T> : ChoosingFn<T>
{
    private protected override bool IsBetter(T candidate, T chosen) => false;
}

/// <summary>Chooses one of the values; of none there is none. The accumulator is an array of no or one value.</summary>
/// <typeparam name="T">The type of the values.</typeparam>
public abstract class ChoosingFn<T> : CombineFn<T, T[], T>, ICombineFnWithoutDefault, IAccumulatorCoderOfInput<T, T[]>
{
    private protected ChoosingFn() { }

    private protected abstract bool IsBetter(T candidate, T chosen);

    /// <inheritdoc/>
    public override T[] CreateAccumulator() => [];

    /// <inheritdoc/>
    public override T[] AddInput(T[] accumulator, T input)
    {
        if (accumulator.Length == 0) return [input];
        if (IsBetter(input, accumulator[0])) accumulator[0] = input;
        return accumulator;
    }

    /// <inheritdoc/>
    public override T[] MergeAccumulators(IEnumerable<T[]> accumulators)
    {
        T[] merged = [];
        foreach (var accumulator in accumulators)
        {
            if (accumulator.Length > 0) merged = AddInput(merged, accumulator[0]);
        }

        return merged;
    }

    /// <inheritdoc/>
    public override T ExtractOutput(T[] accumulator) =>
        accumulator.Length > 0 ? accumulator[0] : throw new InvalidOperationException($"{CombineTranslation.NameOf(this)} of no values is not defined.");

    Coder<T[]> IAccumulatorCoderOfInput<T, T[]>.AccumulatorCoderFor(Coder<T> input) => new ArrayCoder<T>(input);
}
