namespace Beam.IO;

/// <summary>How files of lines are written.</summary>
public sealed record WriteTextOptions
{
    /// <summary>A first line of each file; none if null.</summary>
    public string? Header { get; init; }

    /// <summary>A last line of each file; none if null.</summary>
    public string? Footer { get; init; }

    /// <summary>How files are compressed; by default the suffix says.</summary>
    public Compression Compression { get; init; } = Compression.Auto;

    /// <summary>
    /// What stands between prefix and suffix: a run of <c>S</c> is the shard's number, a run of <c>N</c> the number of shards, padded with
    /// zeros. Without an <c>S</c> there must be exactly one shard. Default <c>-SSSSS-of-NNNNN</c>.
    /// </summary>
    public string ShardNameTemplate { get; init; } = "-SSSSS-of-NNNNN";
}
