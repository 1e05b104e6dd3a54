using Beam.Model;
using Beam.Model.Pipeline;

namespace Beam.Runner.Direct.Translation;

/// <summary>
/// The leaves of a pipeline, each after those that it reads from. Composites are taken apart, known ones are replaced by what the runner
/// makes of them, and leaves without an effect are dropped.
/// </summary>
internal sealed class PipelineGraph
{
    private const int MaxDepth = 512;

    private readonly HashSet<string> _visited = [];
    private readonly List<TransformNode> _nodes = [];

    private PipelineGraph(Components components) => Components = components;

    /// <summary>The pipeline's components, with what the runner has added.</summary>
    public Components Components { get; }

    public IReadOnlyList<TransformNode> Nodes => _nodes;

    /// <summary>Reads a pipeline, which is left as it is.</summary>
    /// <exception cref="PipelineTranslationException">The pipeline is inconsistent, or asks for what the runner does not do.</exception>
    public static PipelineGraph Create(Proto.Pipeline pipeline)
    {
        var graph = new PipelineGraph(pipeline.Components?.Clone() ?? new Components());
        foreach (var root in pipeline.RootTransformIds) graph.Visit(root, depth: 0);
        graph.SeparateGroupings();
        graph.SortTopologically();
        return graph;
    }

    /// <summary>A PCollection that a transform names.</summary>
    public Proto.PCollection PCollection(string id) =>
        Components.Pcollections.TryGetValue(id, out var pcollection) ? pcollection : throw new PipelineTranslationException($"The pipeline has no PCollection '{id}'.");

    /// <summary>The windowing of a PCollection.</summary>
    public Proto.WindowingStrategy Windowing(string pcollection) =>
        Components.WindowingStrategies.TryGetValue(PCollection(pcollection).WindowingStrategyId, out var strategy)
            ? strategy
            : throw new PipelineTranslationException($"PCollection '{pcollection}' has no windowing strategy.");

    private void Visit(string id, int depth)
    {
        if (!Components.Transforms.TryGetValue(id, out var transform)) throw new PipelineTranslationException($"The pipeline has no transform '{id}'.");
        if (!_visited.Add(id)) throw new PipelineTranslationException($"Transform '{id}' is part of more than one composite.");
        if (depth > MaxDepth) throw new PipelineTranslationException($"Transform '{id}' is nested more than {MaxDepth} deep.");

        switch (transform.Spec?.Urn)
        {
            case BeamUrns.Transforms.Impulse:
                Add(NodeKind.Impulse, id, transform);
                break;
            case BeamUrns.Transforms.GroupByKey:
                Add(NodeKind.GroupByKey, id, transform);
                break;
            case BeamUrns.Transforms.Flatten:
                Add(NodeKind.Flatten, id, transform);
                break;
            case BeamUrns.Transforms.ParDo:
                Add(NodeKind.Sdk, id, transform, ParDoInspector.SideInputs(id, transform));
                break;
            case BeamUrns.Transforms.Reshuffle or BeamUrns.Transforms.RedistributeByKey or BeamUrns.Transforms.RedistributeArbitrarily
                when IsRedistribution(transform):
                Add(NodeKind.Reshuffle, id, transform);
                break;
            case BeamUrns.Transforms.CombinePerKey when CombineLifting.TryLift(this, id, transform) is { } lifted:
                foreach (var (kind, part, proto) in lifted) Add(kind, part, proto);
                break;
            case BeamUrns.Transforms.TestStream:
                throw new PipelineTranslationException($"Transform '{transform.UniqueName}' is a TestStream, which needs a streaming runner.");
            case BeamUrns.Transforms.Read:
                throw new PipelineTranslationException($"Transform '{transform.UniqueName}' is a deprecated read; use a splittable DoFn or a ParDo over Impulse.");
            default:
                if (transform.Subtransforms.Count > 0)
                {
                    foreach (var part in transform.Subtransforms) Visit(part, depth + 1);
                }
                else if (!IsNoOp(transform))
                {
                    Add(NodeKind.Sdk, id, transform);
                }

                break;
        }
    }

    /// <summary>A leaf whose outputs are among its inputs, or that has neither function nor outputs, does nothing.</summary>
    private static bool IsNoOp(PTransform transform) =>
        transform.Outputs.Values.All(transform.Inputs.Values.Contains) && (transform.Outputs.Count > 0 || transform.EnvironmentId.Length == 0);

    /// <summary>The runner redistributes elements as they are; where the type changes on the way, the SDK's own expansion runs.</summary>
    private bool IsRedistribution(PTransform transform) =>
        transform.Inputs.Count == 1 && transform.Outputs.Count == 1 &&
        PCollection(transform.Inputs.Values.Single()) is var input && PCollection(transform.Outputs.Values.Single()) is var output &&
        input.WindowingStrategyId == output.WindowingStrategyId && WireCoders.AreSame(Components, input.CoderId, output.CoderId);

    private void Add(NodeKind kind, string id, PTransform transform, IReadOnlyDictionary<string, SideInputEdge>? sideInputs = null)
    {
        sideInputs ??= new Dictionary<string, SideInputEdge>();
        var inputs = transform.Inputs.Where(input => !sideInputs.ContainsKey(input.Key)).ToDictionary(input => input.Key, input => input.Value);
        var expected = kind switch { NodeKind.Impulse => 0, NodeKind.Flatten => inputs.Count, _ => 1 };
        if (inputs.Count != expected)
            throw new PipelineTranslationException($"Transform '{transform.UniqueName}' ({transform.Spec?.Urn}) has {inputs.Count} main inputs, not {expected}.");
        if (kind is not NodeKind.Sdk && transform.Outputs.Count != 1)
            throw new PipelineTranslationException($"Transform '{transform.UniqueName}' ({transform.Spec?.Urn}) has {transform.Outputs.Count} outputs, not 1.");
        if (kind is NodeKind.Sdk && transform.EnvironmentId.Length == 0)
            throw new PipelineTranslationException($"Transform '{transform.UniqueName}' ({transform.Spec?.Urn}) is neither known to the runner nor has it an environment to run in.");
        if (transform.EnvironmentId.Length > 0 && !Components.Environments.ContainsKey(transform.EnvironmentId))
            throw new PipelineTranslationException($"Transform '{transform.UniqueName}' names environment '{transform.EnvironmentId}', which the pipeline does not have.");
        foreach (var pcollection in transform.Inputs.Values.Concat(transform.Outputs.Values)) Windowing(pcollection);
        _nodes.Add(new TransformNode(id, kind, transform, inputs, sideInputs));
    }

    /// <summary>
    /// What a GroupByKey writes is framed as key and iterable, what a GroupByKey or a multimap side input reads as key and value. Where
    /// one reads directly what another writes, a Flatten of one input in between lets the SDK write it anew.
    /// </summary>
    private void SeparateGroupings()
    {
        var grouped = _nodes.Where(node => node.Kind == NodeKind.GroupByKey).SelectMany(node => node.Outputs).ToHashSet();
        var reshuffles = _nodes.Where(node => node.Kind == NodeKind.Reshuffle).ToList();
        for (var grown = true; grown;) grown = reshuffles.Count(node => grouped.Contains(node.MainInput) && grouped.Add(node.Outputs.Single())) > 0;

        var copies = new Dictionary<string, string>();
        for (var i = _nodes.Count - 1; i >= 0; i--)
        {
            var node = _nodes[i];
            if (node.Kind == NodeKind.GroupByKey && grouped.Contains(node.MainInput))
                node = node with { Inputs = node.Inputs.ToDictionary(input => input.Key, input => Copy(input.Value)) };
            if (node.SideInputs.Values.Any(side => side.Access == Engine.AccessPattern.Multimap && grouped.Contains(side.PCollection)))
            {
                node = node with
                {
                    SideInputs = node.SideInputs.ToDictionary(
                        side => side.Key,
                        side => side.Value.Access == Engine.AccessPattern.Multimap && grouped.Contains(side.Value.PCollection)
                            ? side.Value with { PCollection = Copy(side.Value.PCollection) }
                            : side.Value),
                };
            }

            _nodes[i] = node;
        }

        string Copy(string pcollection)
        {
            if (copies.TryGetValue(pcollection, out var copy)) return copy;
            copy = Unique(pcollection + "/rewritten", Components.Pcollections.ContainsKey);
            Components.Pcollections.Add(copy, PCollection(pcollection).Clone());
            var id = Unique(pcollection + "/rewrite", Components.Transforms.ContainsKey);
            var flatten = new PTransform { UniqueName = id, Spec = new FunctionSpec { Urn = BeamUrns.Transforms.Flatten } };
            flatten.Inputs.Add("0", pcollection);
            flatten.Outputs.Add("out", copy);
            Components.Transforms.Add(id, flatten);
            Add(NodeKind.Flatten, id, flatten);
            copies.Add(pcollection, copy);
            return copy;
        }
    }

    /// <summary>An id that is not taken.</summary>
    public static string Unique(string wanted, Func<string, bool> isTaken)
    {
        var id = wanted;
        for (var i = 2; isTaken(id); i++) id = $"{wanted}_{i}";
        return id;
    }

    private void SortTopologically()
    {
        var producers = new Dictionary<string, TransformNode>();
        foreach (var node in _nodes)
        {
            foreach (var output in node.Outputs)
            {
                if (!producers.TryAdd(output, node))
                    throw new PipelineTranslationException($"PCollection '{output}' is the output of both '{producers[output].Id}' and '{node.Id}'.");
            }
        }

        var waitsFor = _nodes.ToDictionary(node => node, node => node.Inputs.Values.Concat(node.SideInputs.Values.Select(side => side.PCollection)).Distinct().Count());
        var consumers = _nodes
            .SelectMany(node => node.Inputs.Values.Concat(node.SideInputs.Values.Select(side => side.PCollection)).Distinct().Select(input => (input, node)))
            .ToLookup(pair => pair.input, pair => pair.node);
        foreach (var unproduced in consumers.Select(group => group.Key).Where(input => !producers.ContainsKey(input)))
            throw new PipelineTranslationException($"PCollection '{unproduced}' is read by '{consumers[unproduced].First().Id}', but nothing produces it.");

        var ready = new Queue<TransformNode>(_nodes.Where(node => waitsFor[node] == 0));
        _nodes.Clear();
        while (ready.TryDequeue(out var node))
        {
            _nodes.Add(node);
            foreach (var consumer in node.Outputs.SelectMany(output => consumers[output]))
            {
                if (--waitsFor[consumer] == 0) ready.Enqueue(consumer);
            }
        }

        if (waitsFor.FirstOrDefault(pair => pair.Value > 0) is { Key: { } cyclic })
            throw new PipelineTranslationException($"Transform '{cyclic.Id}' reads, directly or not, what it writes.");
    }
}
