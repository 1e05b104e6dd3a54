using Beam.SideInputs;

namespace Beam;

/// <summary>
/// A collection as functions see it from the side: the whole of it (in the element's window) as a value. A function that has a view in
/// a field, or a lambda that captures one, reads it with <see cref="ElementContext.SideInput{T}"/>; that alone makes
/// the collection a side input of the transform.
/// </summary>
/// <typeparam name="T">What the function sees.</typeparam>
public sealed class PCollectionView<T> : PCollectionView
{
    internal PCollectionView(PCollection collection, ViewFn viewFn) : base(collection, viewFn) { }

    internal PCollectionView(string tag) : base(tag) { }
}

/// <summary>A collection as functions see it from the side.</summary>
public abstract class PCollectionView
{
    private protected PCollectionView(PCollection collection, ViewFn viewFn) =>
        (Collection, ViewFn, Tag) = (collection, viewFn, TagOf(collection, viewFn));

    /// <summary>The form that arrives on a worker, where the tag leads to everything else.</summary>
    private protected PCollectionView(string tag) => Tag = tag;

    /// <summary>The side input's name within a transform.</summary>
    internal string Tag { get; }

    /// <summary>The collection; null on a worker.</summary>
    internal PCollection? Collection { get; }

    /// <summary>How the collection becomes a value; null on a worker, which reads it from the transform's payload.</summary>
    internal ViewFn? ViewFn { get; }

    // Views of one form of one collection are one side input, unless they have defaults, which may differ.
    private static string TagOf(PCollection collection, ViewFn viewFn)
    {
        var tag = $"{viewFn.Kind.ToString().ToLowerInvariant()}:{collection.Id}";
        return viewFn.HasDefault ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{tag}:{collection.Pipeline.Graph.NextDefault()}") : tag;
    }
}
