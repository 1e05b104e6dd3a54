using Beam.Coders;

namespace Beam;

/// <summary>A value of one of several collections.</summary>
/// <param name="Tag">Which, from 0.</param>
/// <param name="Value">The value.</param>
internal readonly record struct UnionValue(int Tag, object? Value);

/// <summary>Which collection, then the value as that collection encodes it.</summary>
internal sealed class UnionCoder(Coder[] values) : Coder<UnionValue>
{
    private readonly Coder[] values = values;

    public override IReadOnlyList<Coder> Components => values;

    public override void Encode(UnionValue value, CoderWriter writer, bool nested)
    {
        writer.WriteVarint(value.Tag);
        values[value.Tag].EncodeObject(value.Value, writer, nested);
    }

    public override UnionValue Decode(ref CoderReader reader, bool nested)
    {
        var tag = reader.ReadVarint();
        if ((ulong)tag >= (ulong)values.Length) throw new CoderException($"A joined value is of collection {tag}, of {values.Length}.");
        return new((int)tag, values[tag].DecodeObject(ref reader, nested));
    }
}
