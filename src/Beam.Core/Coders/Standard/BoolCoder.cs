using Beam.Model;

namespace Beam.Coders.Standard;

/// <summary>One byte, 0 or 1.</summary>
internal sealed class BoolCoder : Coder<bool>
{
    internal static readonly BoolCoder Instance = new();

    internal override string Urn => BeamUrns.Coders.Bool;

    public override void Encode(bool value, CoderWriter writer, bool nested) => writer.WriteByte(value ? (byte)1 : (byte)0);

    public override bool Decode(ref CoderReader reader, bool nested) => reader.ReadByte() switch
    {
        0 => false,
        1 => true,
        var other => throw new CoderException($"A boolean is the byte 0 or 1, not {other} (at byte {reader.Position - 1})."),
    };
}
