using Beam.Model;

namespace Beam.Coders.Standard;

/// <summary>A byte that says whether there is a value (1) or not (0), then the value.</summary>
internal sealed class NullableCoder<T> : Coder<T?>
    where T : struct
{
    private readonly Coder<T> _value;
    private readonly Coder[] _components;

    public NullableCoder(Coder<T> value)
    {
        _value = value;
        _components = [value];
    }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.Nullable;

    public override void Encode(T? value, CoderWriter writer, bool nested)
    {
        writer.WriteByte(value.HasValue ? (byte)1 : (byte)0);
        if (value.HasValue) _value.Encode(value.GetValueOrDefault(), writer, nested);
    }

    public override T? Decode(ref CoderReader reader, bool nested) =>
        BoolCoder.Instance.Decode(ref reader, nested) ? _value.Decode(ref reader, nested) : null;
}

/// <summary>The same for reference types.</summary>
internal sealed class NullableReferenceCoder<T> : Coder<T?>
    where T : class
{
    private readonly Coder<T> _value;
    private readonly Coder[] _components;

    public NullableReferenceCoder(Coder<T> value)
    {
        _value = value;
        _components = [value];
    }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.Nullable;

    public override void Encode(T? value, CoderWriter writer, bool nested)
    {
        writer.WriteByte(value is null ? (byte)0 : (byte)1);
        if (value is not null) _value.Encode(value, writer, nested);
    }

    public override T? Decode(ref CoderReader reader, bool nested) =>
        BoolCoder.Instance.Decode(ref reader, nested) ? _value.Decode(ref reader, nested) : null;
}
