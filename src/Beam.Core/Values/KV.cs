namespace Beam;

/// <summary>A key and a value: what grouping and combining transforms work on.</summary>
/// <param name="Key">The key.</param>
/// <param name="Value">The value.</param>
public readonly record struct KV<TKey, TValue>(TKey Key, TValue Value)
{
    /// <summary>The key and the value in parentheses.</summary>
    public override string ToString() => $"({Key}, {Value})";
}

/// <summary>Makes <see cref="KV{TKey, TValue}"/>s, with their types inferred.</summary>
public static class KV
{
    /// <summary>Pairs a key with a value.</summary>
    public static KV<TKey, TValue> Of<TKey, TValue>(TKey key, TValue value) => new(key, value);
}
