namespace Beam;

/// <summary>Begins a pipeline with one empty byte array in the global window: what everything that has no input starts from.</summary>
public sealed class Impulse : PTransform<PBegin, PCollection<byte[]>>
{
    private protected override void Describe(PBegin input, TransformNode node) => node.SetSpec("beam:transform:impulse:v1");

    /// <inheritdoc/>
    public override PCollection<byte[]> Expand(PBegin input) =>
        input.Pipeline.Graph.Current.AddOutput("out", WindowingStrategy.Default, isBounded: true, Coders.Standard.BytesCoder.Instance);
}

/// <summary>Sources that need nothing from outside.</summary>
public static class ImpulseExtensions
{
    /// <summary>One empty byte array.</summary>
    public static PCollection<byte[]> Impulse(this Pipeline pipeline, string? name = null) => pipeline.Apply(new Impulse(), name);
}
