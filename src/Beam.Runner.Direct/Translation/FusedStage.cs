namespace Beam.Runner.Direct.Translation;

/// <summary>Transforms that one harness executes together, fed by one materialised PCollection.</summary>
internal sealed class FusedStage(string environment, string root)
{
    public string Environment { get; } = environment;

    /// <summary>The PCollection that it reads.</summary>
    public string Root { get; } = root;

    /// <summary>Its transforms, each after those that it reads from.</summary>
    public List<TransformNode> Nodes { get; } = [];

    /// <summary>The PCollections that its transforms write.</summary>
    public HashSet<string> Produced { get; } = [];

    /// <summary>A name for people: the transforms in it.</summary>
    public string Name
    {
        get
        {
            var names = Nodes.Select(node => node.Proto.UniqueName).ToList();
            return names.Count <= 2 ? string.Join('+', names) : $"{names[0]}+…+{names[^1]}";
        }
    }
}
