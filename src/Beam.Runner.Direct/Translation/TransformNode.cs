using Beam.Model.Pipeline;

namespace Beam.Runner.Direct.Translation;

/// <summary>What executes a leaf.</summary>
internal enum NodeKind
{
    Impulse,
    GroupByKey,
    Reshuffle,
    Flatten,

    /// <summary>Everything that an SDK harness executes element by element.</summary>
    Sdk,
}

/// <summary>A leaf of the pipeline that something executes.</summary>
/// <param name="Id">The transform's id in the pipeline.</param>
/// <param name="Kind">What executes it.</param>
/// <param name="Proto">The transform.</param>
/// <param name="Inputs">Main inputs: PCollections by local name.</param>
/// <param name="SideInputs">Side inputs: PCollections and how they are asked for, by local name.</param>
internal sealed record TransformNode(
    string Id,
    NodeKind Kind,
    PTransform Proto,
    IReadOnlyDictionary<string, string> Inputs,
    IReadOnlyDictionary<string, SideInputEdge> SideInputs)
{
    /// <summary>Where it must run; empty if anywhere.</summary>
    public string Environment => Proto.EnvironmentId;

    /// <summary>The only main input of everything but a Flatten.</summary>
    public string MainInput => Inputs.Values.Single();

    public IEnumerable<string> Outputs => Proto.Outputs.Values;

    public bool Equals(TransformNode? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => Id.GetHashCode(StringComparison.Ordinal);
}

/// <summary>A PCollection as a side input.</summary>
internal readonly record struct SideInputEdge(string PCollection, Engine.AccessPattern Access);
