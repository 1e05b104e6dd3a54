using Beam.SideInputs;

namespace Beam;

/// <summary>Collections as side inputs.</summary>
public static class Views
{
    /// <summary>All elements, lazily; may be read more than once.</summary>
    public static PCollectionView<IEnumerable<T>> AsIterable<T>(this PCollection<T> collection) =>
        new(collection, new ViewFn(ViewKind.Iterable, typeof(T)));

    /// <summary>All elements, in memory.</summary>
    public static PCollectionView<IReadOnlyList<T>> AsList<T>(this PCollection<T> collection) =>
        new(collection, new ViewFn(ViewKind.List, typeof(T)));

    /// <summary>The only element; reading it fails where there are none or several.</summary>
    public static PCollectionView<T> AsSingleton<T>(this PCollection<T> collection) =>
        new(collection, new ViewFn(ViewKind.Singleton, typeof(T)));

    /// <summary>The only element, or <paramref name="defaultValue"/> where there is none; reading it fails where there are several.</summary>
    public static PCollectionView<T> AsSingleton<T>(this PCollection<T> collection, T defaultValue) =>
        new(collection, new ViewFn(ViewKind.Singleton, typeof(T), HasDefault: true, defaultValue));

    /// <summary>The values by key; reading it fails where a key has several.</summary>
    public static PCollectionView<IReadOnlyDictionary<TKey, TValue>> AsMap<TKey, TValue>(this PCollection<KV<TKey, TValue>> collection)
        where TKey : notnull =>
        new(collection, new ViewFn(ViewKind.Map, typeof(KV<TKey, TValue>)));

    /// <summary>All values of each key; a key that is not there has none.</summary>
    public static PCollectionView<ILookup<TKey, TValue>> AsMultimap<TKey, TValue>(this PCollection<KV<TKey, TValue>> collection)
        where TKey : notnull =>
        new(collection, new ViewFn(ViewKind.Multimap, typeof(KV<TKey, TValue>)));
}
