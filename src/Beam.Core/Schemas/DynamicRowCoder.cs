using Beam.Coders;
using Beam.Coders.Standard;
using Beam.Model;
using Google.Protobuf;

namespace Beam.Schemas;

/// <summary>Rows whose schema is known at run time only.</summary>
internal sealed class DynamicRowCoder : Coder<Row>
{
    private readonly Schema _schema;
    private readonly Coder[] _fields;
    private readonly bool _isDeterministic;

    public DynamicRowCoder(Schema schema)
    {
        _schema = schema;
        _fields = [.. schema.Fields.Select(field => FieldCoders.For(field.Type, null, field.Name))];
        _isDeterministic = _fields.All(field => field.IsDeterministic);
    }

    public override bool IsDeterministic => _isDeterministic;

    internal override string Urn => BeamUrns.Coders.Row;

    internal override ByteString ToPayload(ICoderPayloadSerializer? serializer) => SchemaTranslator.ToProto(_schema, serializer).ToByteString();

    public override void Encode(Row value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        if (!_schema.Equals(value.Schema)) throw new CoderException($"A row of {value.Schema} cannot be encoded as one of {_schema}.");
        var order = _schema.EncodingOrder;
        var nulls = new ulong[(order.Length + 63) / 64];
        for (var i = 0; i < order.Length; i++)
        {
            if (value[order[i]] is not null) continue;
            var field = _schema.Fields[order[i]];
            if (!field.Type.IsNullable) RowFormat.ThrowNull("Row", field.Name);
            nulls[i >> 6] |= 1UL << (i & 63);
        }

        RowFormat.WriteHeader(writer, order.Length, nulls);
        foreach (var index in order)
            if (value[index] is { } fieldValue) _fields[index].EncodeObject(fieldValue, writer, nested: true);
    }

    public override Row Decode(ref CoderReader reader, bool nested)
    {
        var order = _schema.EncodingOrder;
        var header = RowFormat.ReadHeader(ref reader, order.Length);
        var values = new object?[order.Length];
        for (var i = 0; i < order.Length; i++)
        {
            var index = order[i];
            if (header.Has(i)) values[index] = _fields[index].DecodeObject(ref reader, nested: true);
            else if (!_schema.Fields[index].Type.IsNullable) RowFormat.ThrowMissing("Row", _schema.Fields[index].Name);
        }

        return new Row(_schema, values);
    }
}
