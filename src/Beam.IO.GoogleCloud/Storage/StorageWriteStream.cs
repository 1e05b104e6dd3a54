using System.Buffers;

namespace Beam.IO.GoogleCloud.Storage;

/// <summary>
/// Writes an object. What fits into one chunk goes in one call; more in a resumable upload, each chunk after asking, where a call failed, how
/// far the service came. The object exists, all at once, when the stream has been disposed.
/// </summary>
internal sealed class StorageWriteStream(StorageClient client, StoragePath path, int chunkSize = StorageWriteStream.ChunkSize) : Stream
{
    /// <summary>8 MiB; the service takes multiples of 256 KiB.</summary>
    public const int ChunkSize = 8 << 20;

    private byte[]? _chunk = ArrayPool<byte>.Shared.Rent(chunkSize);
    private Uri? _session;
    private long _sent;
    private int _used;
    private bool _failed;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => Position;

    public override long Position
    {
        get => _sent + _used;
        set => throw new NotSupportedException("An object is written in order.");
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_chunk is null, this);
        while (!buffer.IsEmpty)
        {
            // A full chunk stays until more follows: the last one closes the upload.
            if (_used == chunkSize) SendChunk();
            var count = Math.Min(buffer.Length, chunkSize - _used);
            buffer[..count].CopyTo(_chunk.AsSpan(_used));
            _used += count;
            buffer = buffer[count..];
        }
    }

    /// <summary>Does nothing: a chunk of any other size than the service's would be refused.</summary>
    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("An upload cannot be read.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("An object is written in order.");

    public override void SetLength(long value) => throw new NotSupportedException("An object is written in order.");

    protected override void Dispose(bool disposing)
    {
        if (disposing && _chunk is { } chunk)
        {
            try
            {
                if (!_failed) Complete();
            }
            finally
            {
                _chunk = null;
                ArrayPool<byte>.Shared.Return(chunk);
            }
        }

        base.Dispose(disposing);
    }

    private void Complete()
    {
        if (_session is null) client.Upload(path, _chunk.AsMemory(0, _used));
        else Send(_sent + _used);
    }

    private void SendChunk()
    {
        try
        {
            _session ??= client.StartUpload(path);
            Send(total: null);
        }
        catch
        {
            // What is there is not the whole: it must never get its name.
            _failed = true;
            throw;
        }

        _sent += _used;
        _used = 0;
    }

    private void Send(long? total)
    {
        var end = _sent + _used;
        var ask = false;
        client.Retry(() =>
        {
            var stored = ask ? client.UploadChunk(_session!, path, default, 0, total) : _sent;
            ask = true;
            while (stored is { } from && (from < end || total is not null))
            {
                if (from < _sent || from > end)
                    throw new StorageException(System.Net.HttpStatusCode.Gone, $"Cannot write '{path}': the service has {from} bytes of an upload of which {_sent} were confirmed.");
                var next = client.UploadChunk(_session!, path, _chunk.AsMemory((int)(from - _sent), (int)(end - from)), from, total);
                if (next <= from) throw new IOException($"Cannot write '{path}': the service takes no more than {from} bytes.");
                stored = next;
            }

            return true;
        });
    }
}
