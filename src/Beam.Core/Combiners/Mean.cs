using System.Numerics;
using Beam.Coders;

namespace Beam;

/// <summary>Averages.</summary>
public static class MeanExtensions
{
    /// <summary>The average of all elements; NaN of none.</summary>
    /// <param name="input">The numbers.</param>
    /// <param name="withoutDefaults">Whether an empty collection gives no element; must be true in windows other than the global one.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<double> Mean<T>(this PCollection<T> input, bool withoutDefaults = false, string? name = null) where T : INumber<T> =>
        input.CombineGlobally(new MeanFn<T>(), withoutDefaults, name);

    /// <summary>The average of each key's values.</summary>
    public static PCollection<KV<TKey, double>> MeanPerKey<TKey, T>(this PCollection<KV<TKey, T>> input, string? name = null) where T : INumber<T> =>
        input.CombinePerKey(new MeanFn<T>(), name);
}

/// <summary>What is known of an average.</summary>
/// <param name="Sum">The sum of the numbers.</param>
/// <param name="Count">How many there are.</param>
public readonly record struct MeanAccumulator(double Sum, long Count);

/// <summary>The average of numbers.</summary>
/// <typeparam name="T">The type of the numbers.</typeparam>
public sealed class MeanFn<T> : CombineFn<T, MeanAccumulator, double> where T : INumber<T>
{
    /// <inheritdoc/>
    public override Coder<MeanAccumulator> AccumulatorCoder => MeanAccumulatorCoder.Instance;

    /// <inheritdoc/>
    public override MeanAccumulator CreateAccumulator() => default;

    /// <inheritdoc/>
    public override MeanAccumulator AddInput(MeanAccumulator accumulator, T input) => new(accumulator.Sum + double.CreateChecked(input), accumulator.Count + 1);

    /// <inheritdoc/>
    public override MeanAccumulator MergeAccumulators(IEnumerable<MeanAccumulator> accumulators)
    {
        var (sum, count) = (0.0, 0L);
        foreach (var accumulator in accumulators) (sum, count) = (sum + accumulator.Sum, count + accumulator.Count);
        return new(sum, count);
    }

    /// <inheritdoc/>
    public override double ExtractOutput(MeanAccumulator accumulator) => accumulator.Sum / accumulator.Count;
}

/// <summary>The sum as a double, the count as a varint.</summary>
internal sealed class MeanAccumulatorCoder : Coder<MeanAccumulator>
{
    public static readonly MeanAccumulatorCoder Instance = new();

    public override void Encode(MeanAccumulator value, CoderWriter writer, bool nested)
    {
        writer.WriteBigEndianDouble(value.Sum);
        writer.WriteVarint(value.Count);
    }

    public override MeanAccumulator Decode(ref CoderReader reader, bool nested) => new(reader.ReadBigEndianDouble(), reader.ReadVarint());
}
