using System.Net;

namespace Beam.IO.GoogleCloud.Storage;

/// <summary>An object's content from an offset to its end. A download that breaks off is taken up where it did, at the same generation.</summary>
internal sealed class StorageReadStream : Stream
{
    private readonly StorageClient _client;
    private readonly StoragePath _path;
    private readonly StorageObject _object;
    private HttpResponseMessage? _response;
    private Stream? _body;
    private long _position;

    /// <exception cref="FileNotFoundException">There is no such object.</exception>
    public StorageReadStream(StorageClient client, StoragePath path, long offset)
    {
        (_client, _path, _position) = (client, path, offset);
        _object = client.Find(path) ?? throw new FileNotFoundException($"There is no '{path}'.", path.ToString());
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => _object.Size;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException("A download is read in order; open the file at the offset that is wanted.");
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override unsafe int Read(Span<byte> buffer)
    {
        var wanted = (int)Math.Min(buffer.Length, _object.Size - _position);
        if (wanted <= 0) return 0;
        int read;
        fixed (byte* target = buffer)
        {
            var pinned = (nint)target;
            read = _client.Retry(() => ReadOnce(new Span<byte>((byte*)pinned, wanted)));
        }

        _position += read;
        return read;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("A download is read in order.");

    public override void SetLength(long value) => throw new NotSupportedException("A download cannot be written to.");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("A download cannot be written to.");

    protected override void Dispose(bool disposing)
    {
        if (disposing) Close();
        base.Dispose(disposing);
    }

    private int ReadOnce(Span<byte> buffer)
    {
        try
        {
            _body ??= Open();
            var read = _body.Read(buffer);
            return read > 0 ? read : throw new IOException($"'{_path}' was cut off after {_position} of {_object.Size} bytes.");
        }
        catch
        {
            Close();
            throw;
        }
    }

    private Stream Open()
    {
        try
        {
            _response = _client.Download(_path, _position, _object.Generation);
        }
        catch (StorageException e) when (e.Status == HttpStatusCode.NotFound)
        {
            throw new FileNotFoundException($"'{_path}' was deleted or replaced while it was read.", _path.ToString(), e);
        }

        // A server that knows no ranges sends everything: reading on from there would give the wrong bytes.
        if (_position > 0 && _response.StatusCode != HttpStatusCode.PartialContent)
            throw new StorageException(HttpStatusCode.NotImplemented, $"Cannot read '{_path}' from byte {_position} on: the service sent the whole object.");
        return _response.Content.ReadAsStream();
    }

    private new void Close()
    {
        _body?.Dispose();
        _response?.Dispose();
        (_body, _response) = (null, null);
    }
}
