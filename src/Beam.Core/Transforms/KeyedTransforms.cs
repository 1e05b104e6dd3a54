using Beam.Coders;
using Beam.Coders.Standard;
using Beam.Translation;

namespace Beam;

/// <summary>Pairs of keys and values, and their parts.</summary>
public static class KeyedExtensions
{
    /// <summary>Pairs every element with the key that a function gives it.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="key">The key of an element.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<KV<TKey, TValue>> WithKeys<TKey, TValue>(
        this PCollection<TValue> input, Func<TValue, TKey> key, string? name = null)
    {
        var keyCoder = input.Pipeline.Graph.CoderFor<TKey>(name ?? "WithKeys", "key");
        return input.Apply(
            new ParDoTransform<TValue, KV<TKey, TValue>>(new WithKeysFn<TKey, TValue>(key), new KvCoder<TKey, TValue>(keyCoder, input.Coder)), name);
    }

    /// <summary>The keys.</summary>
    public static PCollection<TKey> Keys<TKey, TValue>(this PCollection<KV<TKey, TValue>> input, string? name = null) =>
        input.Apply(new ParDoTransform<KV<TKey, TValue>, TKey>(new MapFn<KV<TKey, TValue>, TKey>(static kv => kv.Key), input.KeyCoder()), name ?? "Keys");

    /// <summary>The values.</summary>
    public static PCollection<TValue> Values<TKey, TValue>(this PCollection<KV<TKey, TValue>> input, string? name = null) =>
        input.Apply(
            new ParDoTransform<KV<TKey, TValue>, TValue>(new MapFn<KV<TKey, TValue>, TValue>(static kv => kv.Value), input.ValueCoder()), name ?? "Values");

    /// <summary>Keys as values and values as keys.</summary>
    public static PCollection<KV<TValue, TKey>> KvSwap<TKey, TValue>(this PCollection<KV<TKey, TValue>> input, string? name = null) =>
        input.Apply(
            new ParDoTransform<KV<TKey, TValue>, KV<TValue, TKey>>(
                new MapFn<KV<TKey, TValue>, KV<TValue, TKey>>(static kv => KV.Of(kv.Value, kv.Key)),
                new KvCoder<TValue, TKey>(input.ValueCoder(), input.KeyCoder())),
            name ?? "KvSwap");

    /// <summary>Applies a function to the values.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<KV<TKey, TOutput>> MapValues<TKey, TValue, TOutput>(
        this PCollection<KV<TKey, TValue>> input, Func<TValue, TOutput> fn, string? name = null)
    {
        var valueCoder = input.Pipeline.Graph.CoderFor<TOutput>(name ?? "MapValues");
        return input.Apply(
            new ParDoTransform<KV<TKey, TValue>, KV<TKey, TOutput>>(
                new MapValuesFn<TKey, TValue, TOutput>(fn), new KvCoder<TKey, TOutput>(input.KeyCoder(), valueCoder)),
            name);
    }

    /// <summary>The coder of the keys.</summary>
    internal static Coder<TKey> KeyCoder<TKey, TValue>(this PCollection<KV<TKey, TValue>> input) => (Coder<TKey>)Components(input)[0];

    /// <summary>The coder of the values.</summary>
    internal static Coder<TValue> ValueCoder<TKey, TValue>(this PCollection<KV<TKey, TValue>> input) => (Coder<TValue>)Components(input)[1];

    private static IReadOnlyList<Coder> Components<TKey, TValue>(PCollection<KV<TKey, TValue>> input) =>
        input.Coder is KvCoder<TKey, TValue> coder
            ? coder.Components
            : throw new PipelineConstructionException(
                $"The collection '{input.Id}' of keys and values has the coder {input.Coder}; grouping needs the two apart: use a KvCoder.");
}

/// <summary>Pairs an element with its key.</summary>
internal sealed class WithKeysFn<TKey, TValue>(Func<TValue, TKey> key) : DoFn<TValue, KV<TKey, TValue>>, INamedFn
{
    public string Name => FunctionNames.Of("WithKeys", key);

    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(TValue element, ProcessContext<KV<TKey, TValue>> context) =>
        context.Output(new KV<TKey, TValue>(key(element), element));
}

/// <summary>A function of the value.</summary>
internal sealed class MapValuesFn<TKey, TValue, TOutput>(Func<TValue, TOutput> fn) : DoFn<KV<TKey, TValue>, KV<TKey, TOutput>>, INamedFn
{
    public string Name => FunctionNames.Of("MapValues", fn);

    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(KV<TKey, TValue> element, ProcessContext<KV<TKey, TOutput>> context) =>
        context.Output(new KV<TKey, TOutput>(element.Key, fn(element.Value)));
}
