using Beam.Coders.Standard;

namespace Beam;

/// <summary>The elements with the latest event times.</summary>
public static class LatestExtensions
{
    /// <summary>The element with the latest event time; none of an empty collection.</summary>
    public static PCollection<T> Latest<T>(this PCollection<T> input, string? name = null) =>
        input.Apply(name ?? "Latest", static all => all
            .Apply(new ParDoTransform<T, KV<long, T>>(
                new MapInContextFn<T, KV<long, T>>(static (value, context) => KV.Of(context.Timestamp.Milliseconds, value)),
                new KvCoder<long, T>(IntegerCoder<long, Varint64Format>.Instance, all.Coder)), "ReifyTimestamps")
            .Max(static (x, y) => x.Key.CompareTo(y.Key))
            .Values());

    /// <summary>The value of each key with the latest event time.</summary>
    public static PCollection<KV<TKey, T>> LatestPerKey<TKey, T>(this PCollection<KV<TKey, T>> input, string? name = null) =>
        input.Apply(name ?? "LatestPerKey", static all => all
            .Apply(new ParDoTransform<KV<TKey, T>, KV<TKey, KV<long, T>>>(
                new ReifyTimestampFn<TKey, T>(),
                new KvCoder<TKey, KV<long, T>>(all.KeyCoder(), new KvCoder<long, T>(IntegerCoder<long, Varint64Format>.Instance, all.ValueCoder()))), "ReifyTimestamps")
            .MaxPerKey(static (x, y) => x.Key.CompareTo(y.Key))
            .MapValues(static timed => timed.Value));
}
