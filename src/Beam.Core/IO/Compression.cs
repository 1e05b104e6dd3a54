using System.IO.Compression;

namespace Beam.IO;

/// <summary>How a file is compressed.</summary>
public enum Compression
{
    /// <summary>By its name: <c>.gz</c> is gzip, <c>.deflate</c> is zlib, anything else is not compressed.</summary>
    Auto,

    /// <summary>Not at all, whatever its name.</summary>
    Uncompressed,

    /// <summary>gzip.</summary>
    Gzip,

    /// <summary>zlib.</summary>
    Deflate,
}

/// <summary>Compressed streams.</summary>
internal static class Compressions
{
    /// <summary>What <see cref="Compression.Auto"/> means for a file.</summary>
    /// <exception cref="BeamException">The name says a format that the framework does not have.</exception>
    public static Compression Of(string path, Compression compression)
    {
        if (compression != Compression.Auto) return compression;
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".gz" => Compression.Gzip,
            ".deflate" => Compression.Deflate,
            ".zst" or ".zstd" => throw Unknown(path, "Zstandard"),
            ".bz2" => throw Unknown(path, "bzip2"),
            ".xz" => throw Unknown(path, "xz"),
            _ => Compression.Uncompressed,
        };
    }

    public static Stream Read(Stream stream, Compression compression) => compression switch
    {
        Compression.Gzip => new GZipStream(stream, CompressionMode.Decompress),
        Compression.Deflate => new ZLibStream(stream, CompressionMode.Decompress),
        _ => stream,
    };

    public static Stream Write(Stream stream, Compression compression) => compression switch
    {
        Compression.Gzip => new GZipStream(stream, CompressionLevel.Optimal),
        Compression.Deflate => new ZLibStream(stream, CompressionLevel.Optimal),
        _ => stream,
    };

    private static BeamException Unknown(string path, string format) =>
        new($"'{path}' looks compressed with {format}, which is not supported: use gzip, or pass Compression.Uncompressed to take the file as it is.");
}
