using System.Numerics;
using Beam.Coders;

namespace Beam.Schemas;

/// <summary>
/// How a row begins: the number of its fields as a varint, then which of them are null as a bit set behind its length, the lowest
/// bit first, without zero bytes at its end. The values of the others follow, nested.
/// </summary>
internal static class RowFormat
{
    internal static void WriteHeader(CoderWriter writer, int fieldCount, ulong nulls)
    {
        writer.WriteVarint(fieldCount);
        var length = (BitOperations.Log2(nulls) / 8) + (nulls == 0 ? 0 : 1);
        writer.WriteByte((byte)length);
        for (; length > 0; length--, nulls >>= 8) writer.WriteByte((byte)nulls);
    }

    internal static void WriteHeader(CoderWriter writer, int fieldCount, ulong[] nulls)
    {
        var last = nulls.AsSpan().LastIndexOfAnyExcept(0UL);
        if (last <= 0)
        {
            WriteHeader(writer, fieldCount, last < 0 ? 0 : nulls[0]);
            return;
        }

        writer.WriteVarint(fieldCount);
        var length = (last * 8) + (BitOperations.Log2(nulls[last]) / 8) + 1;
        writer.WriteVarint(length);
        for (var i = 0; i < length; i++) writer.WriteByte((byte)(nulls[i / 8] >> (i % 8 * 8)));
    }

    internal static RowHeader ReadHeader(scoped ref CoderReader reader, int fieldCount)
    {
        var count = reader.ReadVarint();
        // Fewer are of an older version of the schema, whose last fields are missing. More could not be skipped.
        if (count < 0 || count > fieldCount)
            throw new CoderException($"A row has {count} fields before byte {reader.Position}, and its schema has {fieldCount}.");
        return new RowHeader((int)count, reader.ReadLengthPrefixed());
    }

    internal static void ThrowNull(string type, string field) => throw new CoderException(
        $"{type}.{field} is null, and was not declared nullable ({field}? in C#), so that null has no encoding.");

    internal static void ThrowMissing(string type, string field) => throw new CoderException(
        $"{type}.{field} is null or missing in the bytes, and was not declared nullable.");

    internal static void ThrowDerived(Type declared, Type actual) => throw new CoderException(
        $"A {actual} cannot be encoded as {declared}: what the derived type adds would be lost. Use one sealed type in the collection, or register a coder.");
}

/// <summary>Which fields of a row have a value.</summary>
internal readonly ref struct RowHeader
{
    private readonly int _count;
    private readonly ReadOnlySpan<byte> _nulls;

    internal RowHeader(int count, ReadOnlySpan<byte> nulls)
    {
        _count = count;
        _nulls = nulls;
    }

    internal bool Has(int position) =>
        position < _count && (position >> 3 >= _nulls.Length || (_nulls[position >> 3] & (1 << (position & 7))) == 0);
}
