using System.Buffers;
using System.Buffers.Binary;
using Grpc.Core;

namespace Beam.Rpc.Protocol;

/// <summary>
/// Turns a message into its frame: a flag byte (1 = compressed), the payload's length as a big-endian uint32, the payload.
/// Reused for each message of a call; the frame stays valid until <see cref="Release"/>.
/// </summary>
internal sealed class MessageFramer(int? limit) : SerializationContext
{
    public const int HeaderSize = 5;

    private readonly PooledBuffer _buffer = new();
    private PooledBuffer? _compressed;
    private bool _completed;

    public ReadOnlyMemory<byte> Frame<T>(T message, Marshaller<T> marshaller, bool gzip)
    {
        _completed = false;
        marshaller.ContextualSerializer(message, this);
        if (!_completed) throw new InvalidOperationException($"The serializer of {typeof(T)} did not complete the message.");
        if (_buffer.Length == 0) StartPayload(0);
        CheckSize(_buffer.Length - HeaderSize);
        if (!gzip) return WithHeader(_buffer, 0);

        _compressed ??= new PooledBuffer();
        _compressed.Reserve(HeaderSize);
        _compressed.Advance(HeaderSize);
        Gzip.Compress(_buffer.WrittenSpan[HeaderSize..], _compressed);
        return WithHeader(_compressed, 1);
    }

    public void Release()
    {
        _buffer.Release();
        _compressed?.Release();
    }

    public override void SetPayloadLength(int payloadLength)
    {
        CheckSize(payloadLength);
        StartPayload(payloadLength);
    }

    public override IBufferWriter<byte> GetBufferWriter()
    {
        if (_buffer.Length == 0) StartPayload(0);
        return _buffer;
    }

    public override void Complete() => _completed = true;

    public override void Complete(byte[] payload)
    {
        SetPayloadLength(payload.Length);
        _buffer.Write(payload);
        Complete();
    }

    private void StartPayload(int payloadLength)
    {
        _buffer.Reserve(HeaderSize + payloadLength);
        _buffer.Advance(HeaderSize);
    }

    private void CheckSize(int size)
    {
        if (size > limit) throw MessageLimit.Exceeded("Message to send", size, limit.Value);
    }

    private static ReadOnlyMemory<byte> WithHeader(PooledBuffer buffer, byte flag)
    {
        var frame = buffer.WrittenSpan;
        frame[0] = flag;
        BinaryPrimitives.WriteUInt32BigEndian(frame[1..], (uint)(frame.Length - HeaderSize));
        return buffer.Written;
    }
}
