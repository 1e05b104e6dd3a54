using Beam.Coders;
using Beam.Coders.Standard;

namespace Beam;

/// <summary>Elements spread anew over the workers.</summary>
public static class ReshuffleExtensions
{
    /// <summary>
    /// Breaks fusion and spreads the elements over the workers: what follows is retried without what came before, and one element with
    /// many outputs does not keep one worker busy alone. Elements, timestamps and windows stay as they are.
    /// </summary>
    /// <param name="input">The collection.</param>
    /// <param name="numBuckets">How many groups elements are shuffled in, which bounds how many workers take part; unbounded if null.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> Reshuffle<T>(this PCollection<T> input, int? numBuckets = null, string? name = null)
    {
        if (numBuckets < 1) throw new PipelineConstructionException($"Reshuffle into {numBuckets} buckets: there must be at least one.");
        return input.Apply(new Reshuffle<T>(numBuckets), name);
    }

    /// <summary>As <see cref="Reshuffle{T}"/>, and elements of one key stay on one worker.</summary>
    public static PCollection<KV<TKey, TValue>> ReshufflePerKey<TKey, TValue>(this PCollection<KV<TKey, TValue>> input, string? name = null) =>
        input.Apply(new ReshufflePerKey<TKey, TValue>(), name);
}

/// <summary>A composite that runners know by its URN; its parts are for those that do not.</summary>
internal sealed class Reshuffle<T>(int? numBuckets) : PTransform<PCollection<T>, PCollection<T>>
{
    private protected override void Describe(PCollection<T> input, TransformNode node) => node.SetSpec("beam:transform:reshuffle:v1");

    public override PCollection<T> Expand(PCollection<T> input) => input
        .Apply(
            new ParDoTransform<T, KV<int, T>>(new RandomKeyFn<T>(numBuckets ?? int.MaxValue), new KvCoder<int, T>(IntegerCoder<int, Varint64Format>.Instance, input.Coder)),
            "AddRandomKeys")
        .ReshufflePerKey()
        .Values("RemoveRandomKeys");
}

/// <summary>Groups by key, with the timestamps inside, and ungroups.</summary>
internal sealed class ReshufflePerKey<TKey, TValue> : PTransform<PCollection<KV<TKey, TValue>>, PCollection<KV<TKey, TValue>>>
{
    public override PCollection<KV<TKey, TValue>> Expand(PCollection<KV<TKey, TValue>> input)
    {
        // Groups are not waited for, and windows that would merge stay apart: what comes out is what went in.
        var passing = input.Windowing.Passing();
        var coder = new KvCoder<TKey, KV<long, TValue>>(input.KeyCoder(), new KvCoder<long, TValue>(IntegerCoder<long, Varint64Format>.Instance, input.ValueCoder()));
        return input
            .Apply(new ParDoTransform<KV<TKey, TValue>, KV<TKey, KV<long, TValue>>>(new ReifyTimestampFn<TKey, TValue>(), coder, passing), "ReifyTimestamps")
            .GroupByKey()
            .Apply(
                new ParDoTransform<KV<TKey, IEnumerable<KV<long, TValue>>>, KV<TKey, TValue>>(
                    new RestoreTimestampsFn<TKey, TValue>(), input.Coder, input.Windowing),
                "RestoreTimestamps");
    }
}

/// <summary>Gives each element a random key.</summary>
internal sealed class RandomKeyFn<T>(int buckets) : DoFn<T, KV<int, T>>
{
    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(T element, ProcessContext<KV<int, T>> context) =>
        context.Output(new KV<int, T>(Random.Shared.Next(buckets), element));
}

/// <summary>Puts the timestamp into the value.</summary>
internal sealed class ReifyTimestampFn<TKey, TValue> : DoFn<KV<TKey, TValue>, KV<TKey, KV<long, TValue>>>
{
    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(KV<TKey, TValue> element, ProcessContext<KV<TKey, KV<long, TValue>>> context) =>
        context.Output(KV.Of(element.Key, KV.Of(context.Timestamp.Milliseconds, element.Value)));
}

/// <summary>Takes the timestamp out of the value.</summary>
internal sealed class RestoreTimestampsFn<TKey, TValue> : DoFn<KV<TKey, IEnumerable<KV<long, TValue>>>, KV<TKey, TValue>>
{
    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(KV<TKey, IEnumerable<KV<long, TValue>>> element, ProcessContext<KV<TKey, TValue>> context)
    {
        foreach (var (timestamp, value) in element.Value) context.Output(KV.Of(element.Key, value), new Timestamp(timestamp));
    }
}
