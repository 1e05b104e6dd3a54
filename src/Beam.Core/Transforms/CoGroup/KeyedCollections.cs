using Beam.Coders;
using Beam.Coders.Standard;

namespace Beam;

/// <summary>Names one of the collections of a <c>CoGroupByKey</c>.</summary>
/// <param name="Name">The name, unique among them.</param>
/// <typeparam name="T">The type of its values.</typeparam>
public sealed record CoGroupTag<T>(string Name);

/// <summary>Makes <see cref="KeyedCollections{TKey}"/>.</summary>
public static class KeyedCollections
{
    /// <summary>Begins with one collection.</summary>
    public static KeyedCollections<TKey> Of<TKey, T>(CoGroupTag<T> tag, PCollection<KV<TKey, T>> collection) =>
        new(collection.Pipeline, collection.KeyCoder(), [new KeyedInput<TKey, T>(tag.Name, collection)]);
}

/// <summary>Several collections with keys of one type, to be joined by <c>CoGroupByKey</c>.</summary>
/// <typeparam name="TKey">The type of the keys.</typeparam>
public sealed class KeyedCollections<TKey> : IPValue
{
    private readonly KeyedInput<TKey>[] inputs;

    internal KeyedCollections(Pipeline pipeline, Coder<TKey> keyCoder, KeyedInput<TKey>[] inputs) => (Pipeline, KeyCoder, this.inputs) = (pipeline, keyCoder, inputs);

    /// <inheritdoc/>
    public Pipeline Pipeline { get; }

    /// <inheritdoc/>
    public IEnumerable<KeyValuePair<string, PCollection>> Collections => inputs.Select(i => KeyValuePair.Create(i.Tag, i.Collection));

    /// <summary>These collections and one more.</summary>
    /// <exception cref="PipelineConstructionException">There is one of this name already.</exception>
    public KeyedCollections<TKey> And<T>(CoGroupTag<T> tag, PCollection<KV<TKey, T>> collection)
    {
        if (inputs.Any(i => i.Tag == tag.Name)) throw new PipelineConstructionException($"CoGroupByKey has two collections called '{tag.Name}'.");
        return new(Pipeline, KeyCoder, [.. inputs, new KeyedInput<TKey, T>(tag.Name, collection)]);
    }

    internal Coder<TKey> KeyCoder { get; }

    internal (string[] Tags, Coder[] Coders) Schema => ([.. inputs.Select(i => i.Tag)], [.. inputs.Select(i => i.ValueCoder)]);

    internal IEnumerable<PCollection<KV<TKey, UnionValue>>> ToUnions(KvCoder<TKey, UnionValue> coder) =>
        inputs.Select((input, index) => input.ToUnion(index, coder));
}

/// <summary>One of them.</summary>
internal abstract class KeyedInput<TKey>(string tag, PCollection collection)
{
    public string Tag => tag;

    public PCollection Collection => collection;

    public abstract Coder ValueCoder { get; }

    public abstract PCollection<KV<TKey, UnionValue>> ToUnion(int index, KvCoder<TKey, UnionValue> coder);
}

/// <summary>One of them, with the type of its values.</summary>
internal sealed class KeyedInput<TKey, T>(string tag, PCollection<KV<TKey, T>> collection) : KeyedInput<TKey>(tag, collection)
{
    private readonly PCollection<KV<TKey, T>> collection = collection;

    public override Coder ValueCoder => collection.ValueCoder();

    public override PCollection<KV<TKey, UnionValue>> ToUnion(int index, KvCoder<TKey, UnionValue> coder) => collection.Apply(
        new ParDoTransform<KV<TKey, T>, KV<TKey, UnionValue>>(new MapValuesFn<TKey, T, UnionValue>(v => new UnionValue(index, v)), coder), $"Tag({Tag})");
}
