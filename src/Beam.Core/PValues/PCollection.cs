using Beam.Coders;

namespace Beam;

/// <summary>A collection of elements in a pipeline, bounded or not: an edge of the graph, not a container in memory.</summary>
public abstract class PCollection : IPValue
{
    private protected PCollection(Pipeline pipeline, string id, WindowingStrategy windowing, bool isBounded)
    {
        Pipeline = pipeline;
        Id = id;
        Windowing = windowing;
        IsBounded = isBounded;
    }

    /// <inheritdoc/>
    public Pipeline Pipeline { get; }

    /// <summary>How the elements are windowed, and when groups of them are emitted.</summary>
    public WindowingStrategy Windowing { get; }

    /// <summary>Whether the collection ends.</summary>
    public bool IsBounded { get; }

    /// <summary>The element type.</summary>
    public abstract Type ElementType { get; }

    /// <summary>The collection's id in the pipeline proto.</summary>
    internal string Id { get; }

    internal abstract Coder ElementCoder { get; }

    /// <inheritdoc/>
    public IEnumerable<KeyValuePair<string, PCollection>> Collections => [KeyValuePair.Create("out", this)];
}

/// <summary>A collection of <typeparamref name="T"/> in a pipeline, bounded or not.</summary>
/// <typeparam name="T">The element type.</typeparam>
public sealed class PCollection<T> : PCollection
{
    internal PCollection(Pipeline pipeline, string id, Coder<T> coder, WindowingStrategy windowing, bool isBounded)
        : base(pipeline, id, windowing, isBounded) => Coder = coder;

    /// <summary>How elements are encoded where they cross from one process to another.</summary>
    public Coder<T> Coder { get; private set; }

    /// <inheritdoc/>
    public override Type ElementType => typeof(T);

    internal override Coder ElementCoder => Coder;

    /// <summary>Replaces the coder that was inferred from the type.</summary>
    public PCollection<T> SetCoder(Coder<T> coder)
    {
        Coder = coder;
        Pipeline.Graph.SetCoder(Id, coder);
        return this;
    }

    /// <summary>Applies a transform to this collection.</summary>
    /// <param name="transform">The transform.</param>
    /// <param name="name">Its name in the graph; by default the transform's own.</param>
    public TOutput Apply<TOutput>(PTransform<PCollection<T>, TOutput> transform, string? name = null) where TOutput : IPValue =>
        Pipeline.ApplyTransform(transform, this, name);

    /// <summary>Applies a function of collections as a composite transform of the given name.</summary>
    public TOutput Apply<TOutput>(string name, Func<PCollection<T>, TOutput> composite) where TOutput : IPValue =>
        Pipeline.ApplyTransform(new FunctionTransform<PCollection<T>, TOutput>(name, composite), this, name);
}
