namespace Beam.Runner.Direct.Engine;

/// <summary>A part of a stage's input, the unit of work, retry and commit.</summary>
internal sealed class Bundle(ExecutableStage stage, int index, IReadOnlyList<Chunk> input, IReadOnlyDictionary<(string TransformId, string Name), SideInputView> sideInputs)
{
    public ExecutableStage Stage { get; } = stage;

    /// <summary>Its number within the stage.</summary>
    public int Index { get; } = index;

    public IReadOnlyList<Chunk> Input { get; } = input;

    public long ElementCount { get; } = input.Sum(chunk => (long)chunk.Count);

    public IReadOnlyDictionary<(string TransformId, string Name), SideInputView> SideInputs { get; } = sideInputs;

    /// <summary>How often the user's code failed on it.</summary>
    public int Failures { get; set; }

    /// <summary>How often the worker that ran it was lost.</summary>
    public int Losses { get; set; }
}

/// <summary>What a bundle has made, to be committed as a whole.</summary>
internal sealed record BundleResult(IReadOnlyDictionary<string, List<Chunk>> Outputs, IReadOnlyList<MetricUpdate> Metrics);

/// <summary>A metric as a harness reports it: a URN with labels, and a payload in the form that its type names.</summary>
internal readonly record struct MetricUpdate(string Urn, string Type, IReadOnlyDictionary<string, string> Labels, ReadOnlyMemory<byte> Payload);
