namespace Beam.IO;

/// <summary>Reads the lines of a part of a file.</summary>
internal sealed class FileRangeReader : IDisposable
{
    private readonly LineReader lines;
    private readonly long end;

    public FileRangeReader(FileRange range, ReadTextOptions options)
    {
        var system = FileSystems.For(range.Path);
        end = range.End;
        // A line belongs to the part in which it begins. Whether one begins exactly at the start, the byte before it says.
        var from = range.Start;
        if (options.SkipHeaderLines > 0 && range.Start > 0) from = Math.Max(from, HeaderEnd(system, range.Path, options));
        var open = from == 0 ? 0 : from - 1;
        var stream = system.OpenRead(range.Path, open);
        lines = new LineReader(Compressions.Read(stream, Compressions.Of(range.Path, options.Compression)), range.Path, open, options.MaxLineBytes);
        if (from > 0) lines.Skip();
        else for (var i = 0; i < options.SkipHeaderLines; i++) lines.Skip();
    }

    /// <summary>Where the line that was read last begins.</summary>
    public long Offset { get; private set; }

    /// <summary>Reads the next line; the span is valid until the next call.</summary>
    public bool TryRead(out ReadOnlySpan<byte> line)
    {
        Offset = lines.Position;
        if (Offset < end) return lines.TryRead(out line);
        line = default;
        return false;
    }

    public void Dispose() => lines.Dispose();

    // A header may be longer than the first part.
    private static long HeaderEnd(IFileSystem system, string path, ReadTextOptions options)
    {
        using var header = new LineReader(system.OpenRead(path), path, 0, options.MaxLineBytes);
        for (var i = 0; i < options.SkipHeaderLines; i++) header.Skip();
        return header.Position;
    }
}
