namespace Beam.IO;

/// <summary>How text files are read.</summary>
public sealed record ReadTextOptions
{
    /// <summary>How many lines at the beginning of each file are not elements. Default 0.</summary>
    public int SkipHeaderLines { get; init; }

    /// <summary>How files are compressed; by default their names say.</summary>
    public Compression Compression { get; init; } = Compression.Auto;

    /// <summary>The longest line, in bytes, from 1; longer ones fail the pipeline. Default 64 MiB.</summary>
    public int MaxLineBytes { get; init; } = 64 << 20;

    /// <summary>The size of the pieces, in bytes, in which workers share large files that are not compressed. Default 64 MiB.</summary>
    public long DesiredBundleBytes { get; init; } = 64L << 20;

    /// <summary>Whether a pattern may match no file. By default that is an error, when the pipeline is built if the files are local.</summary>
    public bool AllowNoMatch { get; init; }

    internal void Check()
    {
        if (SkipHeaderLines < 0) throw new PipelineConstructionException($"{nameof(SkipHeaderLines)} is {SkipHeaderLines}; it cannot be negative.");
        if (MaxLineBytes is < 1 or > 1 << 30) throw new PipelineConstructionException($"{nameof(MaxLineBytes)} is {MaxLineBytes}; it must be between 1 and {1 << 30}.");
        if (DesiredBundleBytes < 1) throw new PipelineConstructionException($"{nameof(DesiredBundleBytes)} is {DesiredBundleBytes}; it must be positive.");
    }
}
