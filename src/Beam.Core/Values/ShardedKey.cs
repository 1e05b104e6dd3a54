namespace Beam;

/// <summary>A key of which a runner works on several parts at a time.</summary>
/// <param name="Key">The key.</param>
/// <param name="ShardId">Which part; opaque, and chosen by whoever sharded the key. Compared by content.</param>
public readonly record struct ShardedKey<TKey>(TKey Key, ReadOnlyMemory<byte> ShardId)
{
    /// <inheritdoc/>
    public bool Equals(ShardedKey<TKey> other) =>
        EqualityComparer<TKey>.Default.Equals(Key, other.Key) && ShardId.Span.SequenceEqual(other.ShardId.Span);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(Key);
        hash.AddBytes(ShardId.Span);
        return hash.ToHashCode();
    }
}
