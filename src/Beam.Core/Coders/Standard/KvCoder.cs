using Beam.Model;

namespace Beam.Coders.Standard;

/// <summary>A key, nested, and a value.</summary>
internal sealed class KvCoder<TKey, TValue> : Coder<KV<TKey, TValue>>
{
    private readonly Coder[] _components;

    public KvCoder(Coder<TKey> key, Coder<TValue> value)
    {
        Key = key;
        Value = value;
        _components = [key, value];
    }

    internal Coder<TKey> Key { get; }

    internal Coder<TValue> Value { get; }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.Kv;

    public override void Encode(KV<TKey, TValue> value, CoderWriter writer, bool nested)
    {
        Key.Encode(value.Key, writer, nested: true);
        Value.Encode(value.Value, writer, nested);
    }

    public override KV<TKey, TValue> Decode(ref CoderReader reader, bool nested)
    {
        var key = Key.Decode(ref reader, nested: true);
        return new(key, Value.Decode(ref reader, nested));
    }
}

/// <summary>The framework's own pair, with the same bytes.</summary>
internal sealed class KeyValuePairCoder<TKey, TValue> : Coder<KeyValuePair<TKey, TValue>>
{
    private readonly Coder<TKey> _key;
    private readonly Coder<TValue> _value;
    private readonly Coder[] _components;

    public KeyValuePairCoder(Coder<TKey> key, Coder<TValue> value)
    {
        _key = key;
        _value = value;
        _components = [key, value];
    }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.Kv;

    public override void Encode(KeyValuePair<TKey, TValue> value, CoderWriter writer, bool nested)
    {
        _key.Encode(value.Key, writer, nested: true);
        _value.Encode(value.Value, writer, nested);
    }

    public override KeyValuePair<TKey, TValue> Decode(ref CoderReader reader, bool nested)
    {
        var key = _key.Decode(ref reader, nested: true);
        return new(key, _value.Decode(ref reader, nested));
    }
}
