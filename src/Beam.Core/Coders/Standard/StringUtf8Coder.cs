using Beam.Model;

namespace Beam.Coders.Standard;

/// <summary>Text as UTF-8; nested, after its length in bytes.</summary>
internal sealed class StringUtf8Coder : Coder<string>
{
    internal static readonly StringUtf8Coder Instance = new();

    internal override string Urn => BeamUrns.Coders.StringUtf8;

    public override void Encode(string value, CoderWriter writer, bool nested)
    {
        if (value is null) throw NullValue.Refused(this);
        if (nested) writer.WriteLengthPrefixedUtf8(value);
        else writer.WriteUtf8(value);
    }

    public override string Decode(ref CoderReader reader, bool nested) =>
        reader.ReadUtf8(nested ? reader.ReadLength() : reader.Remaining);
}
