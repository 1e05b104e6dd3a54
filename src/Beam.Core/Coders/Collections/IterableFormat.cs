using System.Runtime.InteropServices;
using Beam.Coders.Standard;

namespace Beam.Coders.Collections;

/// <summary>
/// The bytes of an iterable: a count of four bytes and the elements, nested. A count of -1 means that the writer did not know it:
/// blocks follow, each a count as a varint and its elements, until a block of 0.
/// </summary>
internal static class IterableFormat
{
    private const int UnknownCount = -1;

    internal static void Encode<T>(IEnumerable<T> values, Coder<T> element, CoderWriter writer, Coder owner)
    {
        switch (values)
        {
            case null:
                throw NullValue.Refused(owner);
            case T[] array when typeof(T[]) == values.GetType():
                EncodeSpan(array, element, writer);
                break;
            case List<T> list:
                EncodeSpan(CollectionsMarshal.AsSpan(list), element, writer);
                break;
            default:
                var position = writer.ReserveBigEndianInt32();
                var count = 0;
                foreach (var value in values)
                {
                    element.Encode(value, writer, nested: true);
                    checked { count++; }
                }

                writer.PatchBigEndianInt32(position, count);
                break;
        }
    }

    private static void EncodeSpan<T>(ReadOnlySpan<T> values, Coder<T> element, CoderWriter writer)
    {
        writer.WriteBigEndianInt32(values.Length);
        foreach (var value in values) element.Encode(value, writer, nested: true);
    }

    internal static T[] DecodeArray<T>(ref CoderReader reader, Coder<T> element)
    {
        var announced = reader.ReadBigEndianInt32();
        if (announced < 0) return [.. DecodeBlocks(ref reader, element, announced, allowToken: false, out _)];
        var count = reader.CheckCount(announced);
        if (count == 0) return [];
        var values = new T[count];
        for (var i = 0; i < values.Length; i++) values[i] = element.Decode(ref reader, nested: true);
        return values;
    }

    internal static List<T> DecodeList<T>(ref CoderReader reader, Coder<T> element) =>
        DecodeList(ref reader, element, allowToken: false, out _);

    /// <summary>Decodes what is in the bytes; <paramref name="token"/> tells where the rest is, null if there is none.</summary>
    internal static List<T> DecodeList<T>(ref CoderReader reader, Coder<T> element, bool allowToken, out byte[]? token)
    {
        var announced = reader.ReadBigEndianInt32();
        if (announced < 0) return DecodeBlocks(ref reader, element, announced, allowToken, out token);
        token = null;
        var count = reader.CheckCount(announced);
        var values = new List<T>(count);
        for (var i = 0; i < count; i++) values.Add(element.Decode(ref reader, nested: true));
        return values;
    }

    private static List<T> DecodeBlocks<T>(ref CoderReader reader, Coder<T> element, int announced, bool allowToken, out byte[]? token)
    {
        if (announced != UnknownCount)
            throw new CoderException($"An iterable announces {announced} elements, before byte {reader.Position}.");
        token = null;
        var values = new List<T>();
        while (true)
        {
            var block = reader.ReadVarint();
            if (block == 0) return values;
            if (block < 0)
            {
                if (block != UnknownCount || !allowToken)
                    throw new CoderException($"An iterable has a block of {block} elements, before byte {reader.Position}.");
                token = reader.ReadLengthPrefixed().ToArray();
                return values;
            }

            var count = reader.CheckCount(block);
            for (var i = 0; i < count; i++) values.Add(element.Decode(ref reader, nested: true));
        }
    }
}
