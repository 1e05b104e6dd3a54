using System.Buffers;

namespace Grpc.Core;

/// <summary>Where a message writes its bytes.</summary>
internal abstract class SerializationContext
{
    /// <summary>Ends the message with these bytes as its whole payload.</summary>
    public abstract void Complete(byte[] payload);

    /// <summary>Ends the message written to <see cref="GetBufferWriter"/>.</summary>
    public abstract void Complete();

    public abstract IBufferWriter<byte> GetBufferWriter();

    /// <summary>Announces the payload's size before the first byte, so that one buffer is enough.</summary>
    public abstract void SetPayloadLength(int payloadLength);
}

/// <summary>Where a message reads its bytes. The sequence is valid only until the deserializer returns.</summary>
internal abstract class DeserializationContext
{
    public abstract int PayloadLength { get; }
    public abstract byte[] PayloadAsNewBuffer();
    public abstract ReadOnlySequence<byte> PayloadAsReadOnlySequence();
}

/// <summary>Turns messages of one type into bytes and back.</summary>
internal sealed class Marshaller<T>(Action<T, SerializationContext> serializer, Func<DeserializationContext, T> deserializer)
{
    public Action<T, SerializationContext> ContextualSerializer { get; } = serializer;
    public Func<DeserializationContext, T> ContextualDeserializer { get; } = deserializer;
}

internal static class Marshallers
{
    public static Marshaller<T> Create<T>(Action<T, SerializationContext> serializer, Func<DeserializationContext, T> deserializer) =>
        new(serializer, deserializer);

    public static Marshaller<T> Create<T>(Func<T, byte[]> serializer, Func<byte[], T> deserializer) =>
        new((message, context) => context.Complete(serializer(message)), context => deserializer(context.PayloadAsNewBuffer()));
}
