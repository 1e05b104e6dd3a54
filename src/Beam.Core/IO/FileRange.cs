using Beam.Coders;

namespace Beam.IO;

/// <summary>A part of a file: its lines that begin at <paramref name="Start"/> or after, and before <paramref name="End"/>.</summary>
/// <param name="Path">The file.</param>
/// <param name="Start">A position in bytes.</param>
/// <param name="End">A position in bytes; <see cref="long.MaxValue"/> for all there is.</param>
internal sealed record FileRange(string Path, long Start, long End)
{
    /// <summary>The parts of a file, which hold each of its lines once.</summary>
    public static IEnumerable<FileRange> Split(FileMetadata file, ReadTextOptions options)
    {
        if (Compressions.Of(file.Path, options.Compression) != Compression.Uncompressed || file.Size <= options.DesiredBundleBytes)
        {
            yield return new(file.Path, 0, long.MaxValue);
            yield break;
        }

        for (long start = 0; start < file.Size; start += options.DesiredBundleBytes)
            yield return new(file.Path, start, Math.Min(file.Size, start + options.DesiredBundleBytes));
    }
}

/// <summary>Path, start, end.</summary>
internal sealed class FileRangeCoder : Coder<FileRange>
{
    public static readonly FileRangeCoder Instance = new();

    public override void Encode(FileRange value, CoderWriter writer, bool nested)
    {
        writer.WriteLengthPrefixedUtf8(value.Path);
        writer.WriteVarint(value.Start);
        writer.WriteVarint(value.End);
    }

    public override FileRange Decode(ref CoderReader reader, bool nested) => new(reader.ReadUtf8(reader.ReadLength()), reader.ReadVarint(), reader.ReadVarint());
}
