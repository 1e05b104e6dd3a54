using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Grpc.Core;

namespace Beam.Rpc.Protocol;

/// <summary>A message, or the end of the stream.</summary>
internal readonly record struct ReadMessage<T>(bool HasMessage, T Message);

/// <summary>
/// Reads frames from a pipe and hands each payload to the deserializer where it lies. A frame that is too long is refused
/// by its prefix alone, and memory grows only with bytes that have arrived, whatever the prefix claims.
/// </summary>
internal sealed class MessageReader(PipeReader pipe, int? limit, string? encoding) : DeserializationContext
{
    private ReadOnlySequence<byte> _payload;

    public override int PayloadLength => (int)_payload.Length;
    public override byte[] PayloadAsNewBuffer() => _payload.ToArray();
    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => _payload;

    /// <exception cref="RpcException">The bytes are not frames, a frame is too long, or its payload is not a message.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ReadMessage<T>> ReadAsync<T>(Marshaller<T> marshaller, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await pipe.ReadAsync(cancellationToken).ConfigureAwait(false);
            var buffer = result.Buffer;
            if (TryReadFrame(ref buffer, out bool compressed, out var payload))
            {
                T message = compressed ? Decompress(payload, marshaller) : Deserialize(payload, marshaller);
                pipe.AdvanceTo(buffer.Start);
                return new(true, message);
            }
            if (result.IsCompleted)
            {
                bool clean = buffer.IsEmpty;
                pipe.AdvanceTo(buffer.End);
                return clean ? default : throw Malformed("The stream ended within a message.");
            }
            pipe.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    /// <summary>Gives the buffers back; no read may be running.</summary>
    public ValueTask CompleteAsync() => pipe.CompleteAsync();

    private bool TryReadFrame(ref ReadOnlySequence<byte> buffer, out bool compressed, out ReadOnlySequence<byte> payload)
    {
        (compressed, payload) = (false, default);
        if (buffer.Length < MessageFramer.HeaderSize) return false;
        Span<byte> header = stackalloc byte[MessageFramer.HeaderSize];
        buffer.Slice(0, MessageFramer.HeaderSize).CopyTo(header);
        if (header[0] > 1) throw Malformed($"A message has the compressed flag {header[0]}; only 0 and 1 exist.");
        uint length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        int max = limit ?? int.MaxValue;
        if (length > (uint)max) throw MessageLimit.Exceeded("Received message", length, max);
        if (buffer.Length < MessageFramer.HeaderSize + (long)length) return false;
        compressed = header[0] == 1;
        payload = buffer.Slice(MessageFramer.HeaderSize, length);
        buffer = buffer.Slice(payload.End);
        return true;
    }

    private T Decompress<T>(ReadOnlySequence<byte> payload, Marshaller<T> marshaller)
    {
        if (encoding is null or GrpcNames.Identity) throw Malformed("A message is flagged as compressed but grpc-encoding names no compression.");
        if (encoding != GrpcNames.Gzip)
            throw new RpcException(new Status(StatusCode.Unimplemented, $"Messages are compressed with '{encoding}'; supported are {GrpcNames.Accepted}."));
        var plain = new PooledBuffer();
        try
        {
            Gzip.Decompress(payload, limit ?? int.MaxValue, plain);
            return Deserialize(new ReadOnlySequence<byte>(plain.Written), marshaller);
        }
        finally
        {
            plain.Release();
        }
    }

    private T Deserialize<T>(ReadOnlySequence<byte> payload, Marshaller<T> marshaller)
    {
        _payload = payload;
        try
        {
            return marshaller.ContextualDeserializer(this);
        }
        catch (Google.Protobuf.InvalidProtocolBufferException e)
        {
            throw new RpcException(new Status(StatusCode.Internal, $"A message is not a valid {typeof(T).Name}: {e.Message}", e));
        }
        finally
        {
            _payload = default;
        }
    }

    private static RpcException Malformed(string detail) => new(new Status(StatusCode.Internal, detail));
}
