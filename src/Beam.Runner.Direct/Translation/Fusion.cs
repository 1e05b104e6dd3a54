namespace Beam.Runner.Direct.Translation;

/// <summary>
/// Greedy fusion: a transform joins the stage that makes its input if both run in the same environment and nothing that it waits for
/// (a side input) comes out of that stage. Otherwise its input is materialised, and it joins the stage that reads that, or starts one.
/// </summary>
internal sealed class Fusion
{
    private readonly PipelineGraph _graph;
    private readonly Dictionary<string, FusedStage> _home = [];
    private readonly Dictionary<string, string> _aliases = [];
    private readonly Dictionary<string, List<object>> _writers = [];
    private readonly List<FusedStage> _stages = [];
    private readonly HashSet<string> _materialized = [];

    private Fusion(PipelineGraph graph) => _graph = graph;

    /// <summary>The stages that harnesses execute.</summary>
    public IReadOnlyList<FusedStage> Stages => _stages;

    /// <summary>The PCollections that are kept between stages.</summary>
    public IReadOnlySet<string> Materialized => _materialized;

    /// <summary>The PCollection that holds the elements of another one: reshuffling only passes them on.</summary>
    public string Resolve(string pcollection)
    {
        while (_aliases.TryGetValue(pcollection, out var source)) pcollection = source;
        return pcollection;
    }

    public static Fusion Run(PipelineGraph graph)
    {
        var fusion = new Fusion(graph);
        foreach (var node in graph.Nodes) fusion.Place(node);
        return fusion;
    }

    private void Place(TransformNode node)
    {
        switch (node.Kind)
        {
            case NodeKind.Impulse:
                Materialize(node.Outputs.Single());
                AddWriter(node.Outputs.Single(), node);
                break;
            case NodeKind.GroupByKey:
                Materialize(node.MainInput);
                Materialize(node.Outputs.Single());
                AddWriter(node.Outputs.Single(), node);
                break;
            case NodeKind.Reshuffle:
                Materialize(node.MainInput);
                _aliases.Add(node.Outputs.Single(), node.MainInput);
                break;
            case NodeKind.Flatten:
                PlaceFlatten(node);
                break;
            default:
                foreach (var side in node.SideInputs.Values) Materialize(side.PCollection);
                var stage = StageFor(node.MainInput, node.Environment, node, canFuse: !ParDoInspector.RequiresStableInput(node));
                Add(stage, node);
                break;
        }
    }

    /// <summary>
    /// A Flatten whose inputs are all at hand in one stage is part of it. Otherwise every stage that makes some of the inputs gets a copy
    /// for these, and all copies write to the same materialised PCollection; the SDK transcodes on the way.
    /// </summary>
    private void PlaceFlatten(TransformNode node)
    {
        var output = node.Outputs.Single();
        var homes = node.Inputs.Values.Select(Home).Distinct().ToList();
        if (homes is [{ } only] && (node.Environment.Length == 0 || node.Environment == only.Environment))
        {
            Add(only, node);
            return;
        }

        Materialize(output);
        var environment = EnvironmentOf(node, homes);
        foreach (var share in node.Inputs.GroupBy(input => Home(input.Value) ?? StageFor(input.Value, environment, node, canFuse: true)))
        {
            share.Key.Nodes.Add(node with { Inputs = share.ToDictionary(input => input.Key, input => input.Value) });
            share.Key.Produced.Add(output);
            AddWriter(output, share.Key);
        }

        if (node.Inputs.Count == 0) _writers.TryAdd(output, []);
    }

    private string EnvironmentOf(TransformNode flatten, IEnumerable<FusedStage?> homes) =>
        flatten.Environment.Length > 0 ? flatten.Environment
        : homes.FirstOrDefault(home => home is not null)?.Environment
          ?? _graph.Nodes.FirstOrDefault(other => other.Inputs.Values.Contains(flatten.Outputs.Single()) && other.Environment.Length > 0)?.Environment
          ?? _graph.Nodes.FirstOrDefault(other => other.Kind == NodeKind.Sdk)?.Environment
          ?? _graph.Components.Environments.Keys.Order(StringComparer.Ordinal).FirstOrDefault()
          ?? throw new PipelineTranslationException($"Transform '{flatten.Proto.UniqueName}' needs an environment, and the pipeline has none.");

    /// <summary>The stage that makes a PCollection and can hand it on without materialising it.</summary>
    private FusedStage? Home(string pcollection) => _home.GetValueOrDefault(pcollection);

    private FusedStage StageFor(string input, string environment, TransformNode node, bool canFuse)
    {
        if (canFuse && Home(input) is { } home && home.Environment == environment && CanHost(home, node)) return home;
        Materialize(input);
        // Siblings read a PCollection once. They must see it by the same name, which differs behind a reshuffle.
        var sibling = _stages.FirstOrDefault(stage => stage.Root == input && stage.Environment == environment && CanHost(stage, node));
        if (sibling is not null) return sibling;
        var started = new FusedStage(environment, input);
        _stages.Add(started);
        return started;
    }

    private void Add(FusedStage stage, TransformNode node)
    {
        stage.Nodes.Add(node);
        foreach (var output in node.Outputs)
        {
            stage.Produced.Add(output);
            _home.Add(output, stage);
            AddWriter(output, stage);
        }
    }

    private void Materialize(string pcollection) => _materialized.Add(Resolve(pcollection));

    private void AddWriter(string pcollection, object writer)
    {
        if (!_writers.TryGetValue(pcollection, out var writers)) _writers.Add(pcollection, writers = []);
        writers.Add(writer);
    }

    /// <summary>A stage cannot wait for a side input that comes out of it, directly or through other stages.</summary>
    private bool CanHost(FusedStage stage, TransformNode node)
    {
        var seen = new HashSet<object>(ReferenceEqualityComparer.Instance);
        var pending = new Stack<object>(node.SideInputs.Values.SelectMany(side => Writers(side.PCollection)));
        while (pending.TryPop(out var upstream))
        {
            if (ReferenceEquals(upstream, stage)) return false;
            if (!seen.Add(upstream)) continue;
            var inputs = upstream switch
            {
                FusedStage other => other.Nodes.SelectMany(part => part.SideInputs.Values).Select(side => side.PCollection).Prepend(other.Root),
                TransformNode runner => runner.Inputs.Values,
                _ => [],
            };
            foreach (var writer in inputs.SelectMany(Writers)) pending.Push(writer);
        }

        return true;
    }

    private List<object> Writers(string pcollection) => _writers.GetValueOrDefault(Resolve(pcollection)) ?? [];
}
