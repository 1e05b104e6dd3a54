using Beam.Coders;
using Google.Protobuf;

namespace Beam.Schemas;

/// <summary>
/// A value outside of a row, encoded as a field of its type would be; for types such as Guid that have a logical type and no coder
/// of Beam's. The payload is the field type.
/// </summary>
internal sealed class FieldCoder<T> : Coder<T>
{
    private readonly FieldType _type;
    private readonly Coder<T> _value;

    public FieldCoder(FieldType type, Coder<T> value)
    {
        _type = type;
        _value = value;
    }

    public override bool IsDeterministic => _value.IsDeterministic;

    internal override string Urn => CoderUrns.DotNetField;

    internal override ByteString ToPayload(ICoderPayloadSerializer? serializer) => SchemaTranslator.ToProto(_type, serializer).ToByteString();

    public override void Encode(T value, CoderWriter writer, bool nested) => _value.Encode(value, writer, nested: true);

    public override T Decode(ref CoderReader reader, bool nested) => _value.Decode(ref reader, nested: true);
}
