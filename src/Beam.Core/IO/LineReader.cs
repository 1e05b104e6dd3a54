using System.Buffers;

namespace Beam.IO;

/// <summary>Reads lines of bytes that end with LF or CRLF, or with the stream.</summary>
internal sealed class LineReader : IDisposable
{
    private static ReadOnlySpan<byte> Bom => [0xEF, 0xBB, 0xBF];

    private readonly Stream stream;
    private readonly string path;
    private readonly int maxLineBytes;
    private byte[] buffer;
    private int start;
    private int end;
    private bool ended;

    // A byte order mark belongs to the first line, or it would be lost between two parts of a file.
    private int mark;

    /// <param name="stream">Where from; disposed with the reader.</param>
    /// <param name="path">What the stream is, for errors.</param>
    /// <param name="position">The stream's position in the file, so that lines know theirs.</param>
    /// <param name="maxLineBytes">A longer line is an error, not a file's worth of memory.</param>
    public LineReader(Stream stream, string path, long position, int maxLineBytes)
    {
        (this.stream, this.path, this.maxLineBytes, Position) = (stream, path, maxLineBytes, position);
        buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        if (position != 0) return;
        while (end - start < Bom.Length && Fill()) { }
        if (buffer.AsSpan(start, end - start).StartsWith(Bom)) start = mark = Bom.Length;
    }

    /// <summary>Where the next line begins in the file (in what it is decompressed to).</summary>
    public long Position { get; private set; }

    /// <summary>Reads a line, without its end; the span is valid until the next call.</summary>
    /// <returns>Whether there was one.</returns>
    public bool TryRead(out ReadOnlySpan<byte> line)
    {
        var searched = 0;
        while (true)
        {
            var newline = buffer.AsSpan(start + searched, end - start - searched).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                var length = searched + newline;
                if (length > maxLineBytes + 1) throw TooLong();
                line = buffer.AsSpan(start, length);
                if (line is [.., (byte)'\r']) line = line[..^1];
                if (line.Length > maxLineBytes) throw TooLong();
                Consume(length + 1);
                return true;
            }

            searched = end - start;
            if (searched > maxLineBytes + 1) throw TooLong();
            if (Fill()) continue;
            line = buffer.AsSpan(start, searched);
            if (line.Length > maxLineBytes) throw TooLong();
            Consume(searched);
            return searched > 0;
        }
    }

    /// <summary>Goes to the end of the line, however long it is.</summary>
    public void Skip()
    {
        while (true)
        {
            var newline = buffer.AsSpan(start, end - start).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                Consume(newline + 1);
                return;
            }

            Consume(end - start);
            if (!Fill()) return;
        }
    }

    public void Dispose()
    {
        stream.Dispose();
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        (start, end) = (0, 0);
    }

    private void Consume(int count)
    {
        start += count;
        Position += count + mark;
        mark = 0;
    }

    private bool Fill()
    {
        if (ended) return false;
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
        }

        if (end == buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
            buffer.AsSpan(0, end).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = larger;
        }

        int read;
        try
        {
            read = stream.Read(buffer, end, buffer.Length - end);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"'{path}' is damaged or not compressed as its name says, after {Position} bytes: {e.Message}", e);
        }

        end += read;
        ended = read == 0;
        return !ended;
    }

    private InvalidDataException TooLong() =>
        new($"'{path}': the line at byte {Position} is longer than {maxLineBytes} bytes. Raise MaxLineBytes if it is meant to be.");
}
