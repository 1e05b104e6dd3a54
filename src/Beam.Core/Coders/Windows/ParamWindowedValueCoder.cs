using Beam.Coders.Standard;
using Beam.Model;
using Google.Protobuf;

namespace Beam.Coders.Windows;

/// <summary>The value alone. Timestamp, windows and pane are the same for all elements and part of the coder.</summary>
internal sealed class ParamWindowedValueCoder<T> : Coder<WindowedValue<T>>
{
    private readonly Coder<T> _value;
    private readonly WindowedValue<byte[]> _parameters;
    private readonly ByteString _payload;
    private readonly Coder[] _components;

    public ParamWindowedValueCoder(Coder<T> value, Coder window, ByteString payload)
    {
        _value = value;
        _payload = payload;
        _components = [value, window];
        _parameters = new WindowedValueCoder<byte[]>(BytesCoder.Instance, window).FromBytes(payload.Span, nested: true);
    }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.ParamWindowedValue;

    internal override ByteString ToPayload(ICoderPayloadSerializer? serializer) => _payload;

    public override void Encode(WindowedValue<T> value, CoderWriter writer, bool nested) => _value.Encode(value.Value, writer, nested);

    public override WindowedValue<T> Decode(ref CoderReader reader, bool nested) => _parameters.With(_value.Decode(ref reader, nested));
}
