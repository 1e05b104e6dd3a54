namespace Beam;

/// <summary>What a transform takes or gives: a collection, several of them, or nothing.</summary>
public interface IPValue
{
    /// <summary>The pipeline it belongs to.</summary>
    Pipeline Pipeline { get; }

    /// <summary>Its collections by tag; a single collection has the tag <c>"out"</c> as an output.</summary>
    IEnumerable<KeyValuePair<string, PCollection>> Collections { get; }
}

/// <summary>The input of a transform that begins a pipeline.</summary>
public sealed class PBegin : IPValue
{
    internal PBegin(Pipeline pipeline) => Pipeline = pipeline;

    /// <inheritdoc/>
    public Pipeline Pipeline { get; }

    IEnumerable<KeyValuePair<string, PCollection>> IPValue.Collections => [];
}

/// <summary>The output of a transform that ends a pipeline.</summary>
public sealed class PDone : IPValue
{
    /// <summary>Creates the end of a branch of <paramref name="pipeline"/>.</summary>
    public PDone(Pipeline pipeline) => Pipeline = pipeline;

    /// <inheritdoc/>
    public Pipeline Pipeline { get; }

    IEnumerable<KeyValuePair<string, PCollection>> IPValue.Collections => [];
}

/// <summary>Several collections by the tags of the outputs that they are.</summary>
public sealed class PCollectionTuple : IPValue
{
    private readonly Dictionary<string, PCollection> collections;

    internal PCollectionTuple(Pipeline pipeline, IEnumerable<KeyValuePair<string, PCollection>> collections)
    {
        Pipeline = pipeline;
        this.collections = new(collections);
    }

    /// <inheritdoc/>
    public Pipeline Pipeline { get; }

    /// <summary>The output of a tag.</summary>
    /// <exception cref="KeyNotFoundException">The transform declared no such output.</exception>
    public PCollection<T> Get<T>(OutputTag<T> tag) =>
        collections.TryGetValue(tag.Name, out var found) && found is PCollection<T> typed
            ? typed
            : throw new KeyNotFoundException(
                $"There is no output '{tag.Name}' of type {typeof(T).Name}; the transform has {string.Join(", ", collections.Keys.Select(k => $"'{k}'"))}.");

    /// <inheritdoc/>
    public IEnumerable<KeyValuePair<string, PCollection>> Collections => collections;
}

/// <summary>Several collections of one element type, in order; <c>Flatten</c> makes one of them.</summary>
/// <typeparam name="T">The element type.</typeparam>
public sealed class PCollectionList<T> : IPValue
{
    private readonly PCollection<T>[] collections;

    /// <summary>Groups at least one collection of one pipeline.</summary>
    public PCollectionList(IEnumerable<PCollection<T>> collections)
    {
        this.collections = [.. collections];
        if (this.collections.Length == 0) throw new ArgumentException("A list of collections needs at least one collection.", nameof(collections));
    }

    /// <inheritdoc/>
    public Pipeline Pipeline => collections[0].Pipeline;

    /// <summary>The collection at <paramref name="index"/>.</summary>
    public PCollection<T> this[int index] => collections[index];

    /// <summary>How many collections there are.</summary>
    public int Count => collections.Length;

    /// <inheritdoc/>
    public IEnumerable<KeyValuePair<string, PCollection>> Collections =>
        collections.Select((c, i) => KeyValuePair.Create(i.ToString(System.Globalization.CultureInfo.InvariantCulture), (PCollection)c));
}
