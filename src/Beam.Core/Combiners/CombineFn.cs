namespace Beam;

/// <summary>
/// How many values become one: inputs are added to accumulators, accumulators are merged, and the last one gives the output. Adding and
/// merging must be associative and commutative, so that runners may combine before they group.
/// </summary>
/// <typeparam name="TInput">What is combined.</typeparam>
/// <typeparam name="TAccumulator">What is known so far; may be mutated by the methods that take it.</typeparam>
/// <typeparam name="TOutput">The result.</typeparam>
public abstract class CombineFn<TInput, TAccumulator, TOutput>
{
    /// <summary>The accumulator of no inputs.</summary>
    public abstract TAccumulator CreateAccumulator();

    /// <summary>The accumulator with one more input.</summary>
    public abstract TAccumulator AddInput(TAccumulator accumulator, TInput input);

    /// <summary>The accumulator of the inputs of all.</summary>
    public abstract TAccumulator MergeAccumulators(IEnumerable<TAccumulator> accumulators);

    /// <summary>The result.</summary>
    public abstract TOutput ExtractOutput(TAccumulator accumulator);

    /// <summary>An accumulator that is cheaper to send, meaning the same.</summary>
    public virtual TAccumulator Compact(TAccumulator accumulator) => accumulator;

    /// <summary>How accumulators are encoded; null for what the registry infers.</summary>
    public virtual Coders.Coder<TAccumulator>? AccumulatorCoder => null;
}
