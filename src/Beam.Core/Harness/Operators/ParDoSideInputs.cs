namespace Beam.Harness;

/// <summary>The side inputs of one ParDo.</summary>
internal sealed class ParDoSideInputs(string transformName, Dictionary<string, SideInputReader> byTag)
{
    public T Get<T>(PCollectionView<T> view, BoundedWindow window) => byTag.TryGetValue(view.Tag, out var reader)
        ? (T)reader.Get(window)!
        : throw new InvalidOperationException($"'{transformName}' reads the view '{view.Tag}', which is none of its side inputs; keep the view in a field or a captured variable.");

    public void StartBundle(BundleContext bundle)
    {
        foreach (var reader in byTag.Values) reader.StartBundle(bundle);
    }

    public void EndBundle()
    {
        foreach (var reader in byTag.Values) reader.EndBundle();
    }
}
