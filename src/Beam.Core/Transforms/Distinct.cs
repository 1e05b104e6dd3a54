using Beam.Coders;
using Beam.Coders.Standard;

namespace Beam;

/// <summary>Collections without repetitions.</summary>
public static class DistinctExtensions
{
    /// <summary>One of each value, window by window.</summary>
    /// <remarks>Values are equal if their encodings are; the coder must be deterministic.</remarks>
    public static PCollection<T> Distinct<T>(this PCollection<T> input, string? name = null) => input.Apply(new Distinct<T>(), name);

    /// <summary>One element of each key that a function gives them, window by window; which one is not specified.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="key">What elements are compared by.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> DistinctBy<T, TKey>(this PCollection<T> input, Func<T, TKey> key, string? name = null) =>
        input.Apply(name ?? "DistinctBy", values => values.WithKeys(key).CombinePerKey(new AnyFn<T>()).Values());
}

/// <summary>Groups by the value itself.</summary>
internal sealed class Distinct<T> : PTransform<PCollection<T>, PCollection<T>>
{
    public override PCollection<T> Expand(PCollection<T> input) => input
        .Apply(
            new ParDoTransform<T, KV<T, bool>>(
                new MapFn<T, KV<T, bool>>(static value => KV.Of(value, true)), new KvCoder<T, bool>(input.Coder, BoolCoder.Instance)),
            "Pair")
        .CombinePerKey(new AnyFn<bool>())
        .Keys();
}
