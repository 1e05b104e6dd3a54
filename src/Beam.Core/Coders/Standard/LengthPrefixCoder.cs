using Beam.Model;

namespace Beam.Coders.Standard;

/// <summary>A value behind its length, so that someone who does not know its coder can pass it on.</summary>
internal sealed class LengthPrefixCoder<T> : Coder<T>
{
    private readonly Coder<T> _value;
    private readonly Coder[] _components;

    public LengthPrefixCoder(Coder<T> value)
    {
        _value = value;
        _components = [value];
    }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.LengthPrefix;

    public override void Encode(T value, CoderWriter writer, bool nested)
    {
        var mark = writer.BeginLengthPrefix();
        _value.Encode(value, writer, nested: false);
        writer.EndLengthPrefix(mark);
    }

    public override T Decode(ref CoderReader reader, bool nested)
    {
        var outer = reader.PushLimit(reader.ReadLength());
        var value = _value.Decode(ref reader, nested: false);
        reader.PopLimit(outer);
        return value;
    }
}
