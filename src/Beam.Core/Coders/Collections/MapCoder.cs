using Beam.Coders.Standard;
using Beam.Model;

namespace Beam.Coders.Collections;

/// <summary>
/// A <see cref="Dictionary{TKey, TValue}"/>, or an interface that one implements, as an iterable of key-value pairs, whose bytes are
/// also those of MAP in a row. Not deterministic, because of its order.
/// </summary>
internal sealed class MapCoder<TMap, TKey, TValue> : Coder<TMap>
    where TMap : IEnumerable<KeyValuePair<TKey, TValue>>
    where TKey : notnull
{
    private readonly KvCoder<TKey, TValue> _pair;
    private readonly Coder[] _components;

    public MapCoder(Coder<TKey> key, Coder<TValue> value)
    {
        _pair = new(key, value);
        _components = [_pair];
    }

    public override IReadOnlyList<Coder> Components => _components;

    public override bool IsDeterministic => false;

    internal override string Urn => BeamUrns.Coders.Iterable;

    public override void Encode(TMap value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        var position = writer.ReserveBigEndianInt32();
        var count = 0;
        if (value is Dictionary<TKey, TValue> dictionary)
        {
            foreach (var (k, v) in dictionary) EncodePair(k, v, writer);
            count = dictionary.Count;
        }
        else
        {
            foreach (var (k, v) in value)
            {
                EncodePair(k, v, writer);
                count++;
            }
        }

        writer.PatchBigEndianInt32(position, count);
    }

    private void EncodePair(TKey key, TValue value, CoderWriter writer)
    {
        _pair.Key.Encode(key, writer, nested: true);
        _pair.Value.Encode(value, writer, nested: true);
    }

    public override TMap Decode(ref CoderReader reader, bool nested)
    {
        var pairs = IterableFormat.DecodeList(ref reader, _pair);
        var map = new Dictionary<TKey, TValue>(pairs.Count);
        foreach (var (key, value) in pairs)
        {
            if (key is null) throw new CoderException($"A map has a key that is null, before byte {reader.Position}.");
            if (!map.TryAdd(key, value)) throw new CoderException($"A map holds a key twice, before byte {reader.Position}: {key}");
        }

        return (TMap)(object)map;
    }
}
