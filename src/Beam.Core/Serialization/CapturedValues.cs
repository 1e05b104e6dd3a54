namespace Beam.Serialization;

/// <summary>What a function holds that concerns the graph and not only the function.</summary>
internal sealed class CapturedValues
{
    /// <summary>The views that it reads: its transform's side inputs.</summary>
    public List<PCollectionView> Views { get; } = [];
}
