using Beam.Coders;
using Beam.Coders.Standard;

namespace Beam.Schemas;

/// <summary>A row of two integers that are not null, which represents several logical types.</summary>
internal sealed class PairCoder : Coder<(long First, long Second)>
{
    private readonly bool _secondIs32Bits;

    private PairCoder(bool secondIs32Bits) => _secondIs32Bits = secondIs32Bits;

    internal static PairCoder Of(LogicalFieldType type) =>
        new(((RowFieldType)type.Representation).Schema.Fields[1].Type is AtomicFieldType { Type: AtomicType.Int32 });

    public override void Encode((long First, long Second) value, CoderWriter writer, bool nested)
    {
        RowFormat.WriteHeader(writer, 2, 0);
        writer.WriteVarint(value.First);
        if (_secondIs32Bits) Varint32Format.Write(writer, value.Second);
        else writer.WriteVarint(value.Second);
    }

    public override (long First, long Second) Decode(ref CoderReader reader, bool nested)
    {
        var header = RowFormat.ReadHeader(ref reader, 2);
        if (!header.Has(0) || !header.Has(1)) throw new CoderException($"A part of a logical type is null, before byte {reader.Position}.");
        var first = reader.ReadVarint();
        return (first, _secondIs32Bits ? Varint32Format.Read(ref reader) : reader.ReadVarint());
    }
}
