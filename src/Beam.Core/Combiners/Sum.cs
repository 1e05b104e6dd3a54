using System.Numerics;
using Beam.Coders;

namespace Beam;

/// <summary>Sums of numbers.</summary>
public static class SumExtensions
{
    /// <summary>The sum of all elements; 0 of none.</summary>
    /// <param name="input">The numbers.</param>
    /// <param name="withoutDefaults">Whether an empty collection gives no element; must be true in windows other than the global one.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> Sum<T>(this PCollection<T> input, bool withoutDefaults = false, string? name = null) where T : INumber<T> =>
        input.CombineGlobally(new SumFn<T>(), withoutDefaults, name);

    /// <summary>The sum of each key's values.</summary>
    public static PCollection<KV<TKey, T>> SumPerKey<TKey, T>(this PCollection<KV<TKey, T>> input, string? name = null) where T : INumber<T> =>
        input.CombinePerKey(new SumFn<T>(), name);
}

/// <summary>The sum of numbers of any type. A sum that its type cannot hold is an error.</summary>
/// <typeparam name="T">The type of the numbers.</typeparam>
public sealed class SumFn<T> : CombineFn<T, T, T>, IAccumulatorCoderOfInput<T, T> where T : INumber<T>
{
    /// <inheritdoc/>
    public override T CreateAccumulator() => T.Zero;

    /// <inheritdoc/>
    public override T AddInput(T accumulator, T input) => checked(accumulator + input);

    /// <inheritdoc/>
    public override T MergeAccumulators(IEnumerable<T> accumulators)
    {
        var sum = T.Zero;
        foreach (var accumulator in accumulators) sum = checked(sum + accumulator);
        return sum;
    }

    /// <inheritdoc/>
    public override T ExtractOutput(T accumulator) => accumulator;

    Coder<T> IAccumulatorCoderOfInput<T, T>.AccumulatorCoderFor(Coder<T> input) => input;
}
