using Beam.Model;

namespace Beam.Coders.Standard;

/// <summary>The shard's id behind its length, then the key, nested.</summary>
internal sealed class ShardedKeyCoder<TKey> : Coder<ShardedKey<TKey>>
{
    private readonly Coder<TKey> _key;
    private readonly Coder[] _components;

    public ShardedKeyCoder(Coder<TKey> key)
    {
        _key = key;
        _components = [key];
    }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.ShardedKey;

    public override void Encode(ShardedKey<TKey> value, CoderWriter writer, bool nested)
    {
        writer.WriteLengthPrefixed(value.ShardId.Span);
        _key.Encode(value.Key, writer, nested: true);
    }

    public override ShardedKey<TKey> Decode(ref CoderReader reader, bool nested)
    {
        var shardId = reader.ReadLengthPrefixed().ToArray();
        return new(_key.Decode(ref reader, nested: true), shardId);
    }
}
