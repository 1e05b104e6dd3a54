using Beam.Model;

namespace Beam.Coders.Standard;

/// <summary>Eight bytes of IEEE 754, the highest first. Not deterministic: 0.0 and -0.0 are equal, and their bytes are not.</summary>
internal sealed class DoubleCoder : Coder<double>
{
    internal static readonly DoubleCoder Instance = new();

    public override bool IsDeterministic => false;

    internal override string Urn => BeamUrns.Coders.Double;

    public override void Encode(double value, CoderWriter writer, bool nested) => writer.WriteBigEndianDouble(value);

    public override double Decode(ref CoderReader reader, bool nested) => reader.ReadBigEndianDouble();
}

/// <summary>A float as Beam's double.</summary>
internal sealed class SingleAsDoubleCoder : Coder<float>
{
    internal static readonly SingleAsDoubleCoder Instance = new();

    public override bool IsDeterministic => false;

    internal override string Urn => BeamUrns.Coders.Double;

    public override void Encode(float value, CoderWriter writer, bool nested) => writer.WriteBigEndianDouble(value);

    public override float Decode(ref CoderReader reader, bool nested)
    {
        var wide = reader.ReadBigEndianDouble();
        var value = (float)wide;
        return value == wide || double.IsNaN(wide)
            ? value
            : throw new CoderException($"The double {wide} that ends at byte {reader.Position} does not fit a float.");
    }
}

/// <summary>Four bytes of IEEE 754, FLOAT of a row.</summary>
internal sealed class SingleCoder : Coder<float>
{
    internal static readonly SingleCoder Instance = new();

    public override bool IsDeterministic => false;

    public override void Encode(float value, CoderWriter writer, bool nested) => writer.WriteBigEndianSingle(value);

    public override float Decode(ref CoderReader reader, bool nested) => reader.ReadBigEndianSingle();
}
