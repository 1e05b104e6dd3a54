using Beam.Coders;
using Beam.Model.Pipeline;
using Google.Protobuf;
using Coder = Beam.Coders.Coder;

namespace Beam.Serialization;

/// <summary>
/// Functions and other objects of the SDK as payloads of the pipeline proto: (type, fields), lambdas as (declaring type, method, captured
/// values). Only types of the program's own assemblies are resolved; the format is described in this folder's README.
/// </summary>
internal sealed class DotnetPayloads : ICoderPayloadSerializer
{
    private const byte FormatVersion = 1;

    private DotnetPayloads() { }

    public static DotnetPayloads Instance { get; } = new();

    /// <summary>A function as a spec.</summary>
    /// <exception cref="PipelineConstructionException">It holds something that cannot travel.</exception>
    public static FunctionSpec ToSpec(string urn, object value, string transformName, out CapturedValues captured)
    {
        captured = new CapturedValues();
        return new FunctionSpec { Urn = urn, Payload = Serialize(value, $"transform '{transformName}'", captured) };
    }

    /// <summary>An object as bytes.</summary>
    /// <param name="value">The object.</param>
    /// <param name="owner">What it belongs to, for errors.</param>
    /// <param name="captured">Gets what concerns the graph.</param>
    /// <param name="byFields">Whether a coder is written by its fields.</param>
    /// <exception cref="PipelineConstructionException">It holds something that cannot travel.</exception>
    public static ByteString Serialize(object? value, string owner, CapturedValues? captured = null, bool byFields = false)
    {
        using var stream = new MemoryStream();
        stream.WriteByte(FormatVersion);
        new ObjectWriter(stream, owner, captured ?? new CapturedValues()).Write(value, byFields);
        return ByteString.CopyFrom(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    /// <summary>The object of a payload.</summary>
    /// <exception cref="InvalidDataException">The payload is damaged, or names what this program does not have.</exception>
    public static object Deserialize(ByteString payload) => Deserialize(payload.Memory);

    /// <summary>The object of a payload, of the type that is expected.</summary>
    /// <exception cref="InvalidDataException">The payload is damaged, names what this program does not have, or is of another type.</exception>
    public static T Deserialize<T>(ByteString payload) => Deserialize(payload) is T value
        ? value
        : throw new InvalidDataException($"The payload does not hold a {typeof(T).Name}.");

    /// <summary>A function, and the tags of outputs that it or what it captured holds.</summary>
    /// <exception cref="InvalidDataException">The payload is damaged, or names what this program does not have.</exception>
    public static object DeserializeFn(ByteString payload, out IReadOnlyCollection<OutputTag> tags)
    {
        var fn = Deserialize(payload.Memory, out var reader);
        tags = [.. reader.Objects.OfType<OutputTag>()];
        return fn;
    }

    byte[] ICoderPayloadSerializer.Serialize(Coder coder) => Serialize(coder, $"coder {coder.GetType().Name}", byFields: true).ToByteArray();

    Coder ICoderPayloadSerializer.Deserialize(byte[] payload) => Deserialize(payload.AsMemory()) as Coder
        ?? throw new InvalidDataException("The payload does not hold a coder.");

    internal static void CoderToBytes(Coder coder, out string id, out byte[] components)
    {
        var proto = new Components();
        id = new CoderTranslator(proto.Coders, Instance).ToProto(coder);
        components = proto.ToByteArray();
    }

    internal static Coder CoderFromBytes(Type type, string id, byte[] components)
    {
        var proto = Components.Parser.ParseFrom(components);
        return new CoderTranslator(proto.Coders, Instance).FromProto(id, type);
    }

    private static object Deserialize(ReadOnlyMemory<byte> payload) => Deserialize(payload, out _);

    private static object Deserialize(ReadOnlyMemory<byte> payload, out ObjectReader reader)
    {
        using var stream = new MemoryStream(payload.ToArray(), writable: false);
        try
        {
            if (stream.ReadByte() != FormatVersion) throw new InvalidDataException("The payload is not in this SDK's format.");
            reader = new ObjectReader(stream);
            return reader.ReadAll() ?? throw new InvalidDataException("The payload is empty.");
        }
        catch (Exception e) when (e is IOException or FormatException or ArgumentException or OverflowException or InvalidCastException
            or NotSupportedException or TypeLoadException or MemberAccessException or System.Reflection.TargetInvocationException)
        {
            throw new InvalidDataException($"The payload is damaged: {e.Message}", e);
        }
    }
}
