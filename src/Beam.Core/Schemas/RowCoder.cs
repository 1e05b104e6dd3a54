using Beam.Coders;
using Beam.Coders.Standard;
using Beam.Model;
using Google.Protobuf;

namespace Beam.Schemas;

/// <summary>A record, class or struct as a row. The code is compiled for the type, so that no field is boxed.</summary>
internal sealed class RowCoder<T> : Coder<T>
{
    private readonly Schema _schema;
    private readonly RowPlan _plan;
    private readonly Lazy<RowEncoder<T>> _encode;
    private readonly Lazy<RowDecoder<T>> _decode;
    private readonly bool _mayBeDerived = !typeof(T).IsValueType && !typeof(T).IsSealed;

    public RowCoder(Schema schema)
    {
        _schema = schema;
        _plan = RowPlan.Match(schema, RowShape.Of(typeof(T), InferencePath.Root(typeof(T))));
        _encode = new(() => RowCompiler.CompileEncoder<T>(_plan));
        _decode = new(() => RowCompiler.CompileDecoder<T>(_plan));
    }

    public override bool IsDeterministic => Array.TrueForAll(_plan.Fields, planned => planned.Coder.IsDeterministic);

    internal Schema Schema => _schema;

    internal override string Urn => BeamUrns.Coders.Row;

    internal override ByteString ToPayload(ICoderPayloadSerializer? serializer) => SchemaTranslator.ToProto(_schema, serializer).ToByteString();

    public override void Encode(T value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        if (_mayBeDerived && value.GetType() != typeof(T)) RowFormat.ThrowDerived(typeof(T), value.GetType());
        _encode.Value(value, writer);
    }

    public override T Decode(ref CoderReader reader, bool nested)
    {
        var header = RowFormat.ReadHeader(ref reader, _plan.Fields.Length);
        try
        {
            return _decode.Value(ref reader, ref header);
        }
        catch (Exception e) when (e is not CoderException)
        {
            throw new CoderException($"{InferencePath.Name(typeof(T))} rejects what was decoded: {e.Message}", e);
        }
    }

    /// <summary>The coder and the type.</summary>
    public override string ToString() => $"RowCoder<{InferencePath.Name(typeof(T))}>";
}
