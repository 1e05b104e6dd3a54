using Beam.Model;

namespace Beam.Coders.Windows;

/// <summary>No bytes: there is only one.</summary>
internal sealed class GlobalWindowCoder : Coder<GlobalWindow>
{
    internal static readonly GlobalWindowCoder Instance = new();

    internal override string Urn => BeamUrns.Coders.GlobalWindow;

    public override void Encode(GlobalWindow value, CoderWriter writer, bool nested)
    {
    }

    public override GlobalWindow Decode(ref CoderReader reader, bool nested) => GlobalWindow.Instance;
}
