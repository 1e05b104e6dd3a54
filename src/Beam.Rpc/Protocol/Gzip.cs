using System.Buffers;
using System.IO.Compression;
using Grpc.Core;

namespace Beam.Rpc.Protocol;

/// <summary>gzip of single messages, in pooled buffers.</summary>
internal static class Gzip
{
    public static void Compress(ReadOnlySpan<byte> payload, PooledBuffer destination)
    {
        using var gzip = new GZipStream(new BufferStream(destination), CompressionLevel.Fastest);
        gzip.Write(payload);
    }

    /// <summary>Decompresses at most <paramref name="limit"/> bytes; more is an error, not an allocation.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED over the limit, INTERNAL when the bytes are not gzip.</exception>
    public static void Decompress(in ReadOnlySequence<byte> payload, int limit, PooledBuffer destination)
    {
        using var gzip = new GZipStream(new SequenceStream(payload), CompressionMode.Decompress);
        try
        {
            while (true)
            {
                int read = gzip.Read(destination.GetSpan(4096));
                if (read == 0) return;
                destination.Advance(read);
                if (destination.Length > limit) throw MessageLimit.Exceeded("Decompressed message", null, limit);
            }
        }
        catch (InvalidDataException e)
        {
            throw new RpcException(new Status(StatusCode.Internal, "A message flagged as compressed is not valid gzip.", e));
        }
    }

    private sealed class BufferStream(PooledBuffer buffer) : Stream
    {
        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() { }
        public override void Write(ReadOnlySpan<byte> bytes) => buffer.Write(bytes);
        public override void Write(byte[] bytes, int offset, int count) => Write(bytes.AsSpan(offset, count));
        public override int Read(byte[] bytes, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }

    private sealed class SequenceStream(ReadOnlySequence<byte> remaining) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(Span<byte> destination)
        {
            int count = (int)Math.Min(destination.Length, remaining.Length);
            remaining.Slice(0, count).CopyTo(destination);
            remaining = remaining.Slice(count);
            return count;
        }

        public override int Read(byte[] bytes, int offset, int count) => Read(bytes.AsSpan(offset, count));
        public override void Flush() { }
        public override void Write(byte[] bytes, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
