namespace Beam.Coders.Windows;

/// <summary>
/// The bytes of a pane: flags in the low half of the first byte, and in the high half how many indexes follow as varints: none
/// (both are those of a first pane), one (the other follows from it), or both.
/// </summary>
internal static class PaneInfoFormat
{
    internal const byte NoFiring = 0x0F;

    private const int OneIndex = 1;
    private const int TwoIndexes = 2;

    internal static void Encode(PaneInfo pane, CoderWriter writer)
    {
        var derived = pane.Timing == PaneTiming.Early ? -1 : pane.Index;
        if (pane.Index == 0 && pane.NonSpeculativeIndex == 0 && derived == 0)
        {
            writer.WriteByte((byte)pane.Flags);
        }
        else if (pane.NonSpeculativeIndex == derived)
        {
            writer.WriteByte((byte)(pane.Flags | (OneIndex << 4)));
            writer.WriteVarint(pane.Index);
        }
        else
        {
            writer.WriteByte((byte)(pane.Flags | (TwoIndexes << 4)));
            writer.WriteVarint(pane.Index);
            writer.WriteVarint(pane.NonSpeculativeIndex);
        }
    }

    internal static PaneInfo Decode(ref CoderReader reader)
    {
        var first = reader.ReadByte();
        if (first == NoFiring) return PaneInfo.NoFiring;
        var flags = first & 0xF;
        var early = flags >> 2 == (int)PaneTiming.Early;
        switch (first >> 4)
        {
            case 0:
                return PaneInfo.FromFlags(flags, 0, early ? -1 : 0);
            case OneIndex:
                var index = ReadIndex(ref reader);
                return PaneInfo.FromFlags(flags, index, early ? -1 : index);
            case TwoIndexes:
                return PaneInfo.FromFlags(flags, ReadIndex(ref reader), reader.ReadVarint());
            default:
                throw new CoderException($"The byte 0x{first:X2} at {reader.Position - 1} does not begin a pane.");
        }
    }

    private static long ReadIndex(ref CoderReader reader) => reader.ReadVarint() is >= 0 and <= PaneInfo.MaxIndex and var index
        ? index
        : throw new CoderException($"The pane index that ends at byte {reader.Position} is out of range.");
}
