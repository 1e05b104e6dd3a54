using Google.Protobuf;

namespace Beam.Coders.Standard;

/// <summary>A type that travels as another one, such as a Uri as text. A conversion reports bad values as a <see cref="CoderException"/>.</summary>
internal sealed class ConvertedCoder<T, TWire> : Coder<T>
{
    private readonly Coder<TWire> _wire;
    private readonly Func<T, TWire> _toWire;
    private readonly Func<TWire, T> _fromWire;
    private readonly bool _isDeterministic;

    public ConvertedCoder(Coder<TWire> wire, Func<T, TWire> toWire, Func<TWire, T> fromWire, bool isDeterministic = true)
    {
        _wire = wire;
        _toWire = toWire;
        _fromWire = fromWire;
        _isDeterministic = isDeterministic;
    }

    public override bool IsDeterministic => _isDeterministic && _wire.IsDeterministic;

    internal override string? Urn => _wire.Urn;

    internal override ByteString ToPayload(ICoderPayloadSerializer? serializer) => _wire.ToPayload(serializer);

    public override void Encode(T value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        _wire.Encode(_toWire(value), writer, nested);
    }

    public override T Decode(ref CoderReader reader, bool nested) => _fromWire(_wire.Decode(ref reader, nested));
}
