namespace Beam.SideInputs;

/// <summary>The forms in which a collection is seen from the side.</summary>
internal enum ViewKind
{
    Iterable,
    List,
    Singleton,
    Map,
    Multimap,
}

/// <summary>
/// How the elements of a side input become the value that a function sees. Travels in the side input's <c>view_fn</c>.
/// </summary>
/// <param name="Kind">The form.</param>
/// <param name="ElementType">The element type of the collection; a <see cref="KV{TKey,TValue}"/> for maps.</param>
/// <param name="HasDefault">For a singleton: whether an empty collection gives <paramref name="Default"/> instead of an error.</param>
/// <param name="Default">For a singleton: the value of an empty collection.</param>
internal sealed record ViewFn(ViewKind Kind, Type ElementType, bool HasDefault = false, object? Default = null)
{
    /// <summary>Whether the side input is read by key.</summary>
    public bool IsMultimap => Kind is ViewKind.Map or ViewKind.Multimap;
}
