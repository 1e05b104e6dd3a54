using Beam.Model;
using Beam.Model.FnExecution;
using Beam.Model.Pipeline;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Translation;

/// <summary>A plan for the engine, and what harnesses must know to execute it.</summary>
/// <param name="Plan">What the scheduler runs.</param>
/// <param name="DescribeStages">Makes the descriptors of what harnesses execute, given where they find data and state.</param>
/// <param name="Environments">The environments that stages run in, by id.</param>
/// <param name="StepNames">The unique names of transforms, by id: what metrics are called by.</param>
internal sealed record TranslatedPipeline(
    Plan Plan,
    Func<Proto.ApiServiceDescriptor, IReadOnlyList<ProcessBundleDescriptor>> DescribeStages,
    IReadOnlyDictionary<string, Proto.Environment> Environments,
    IReadOnlyDictionary<string, string> StepNames);

/// <summary>Translates a Beam pipeline of any SDK into stages.</summary>
internal sealed class PipelineTranslator
{
    private readonly PipelineGraph _graph;
    private readonly Fusion _fusion;
    private readonly Dictionary<string, Dataset> _datasets = [];

    private PipelineTranslator(Proto.Pipeline pipeline)
    {
        _graph = PipelineGraph.Create(pipeline);
        _fusion = Fusion.Run(_graph);
    }

    private Components Components => _graph.Components;

    /// <param name="pipeline">The pipeline, which is left as it is.</param>
    /// <exception cref="PipelineTranslationException">The pipeline is inconsistent, or asks for what the runner does not do.</exception>
    public static TranslatedPipeline Translate(Proto.Pipeline pipeline) => new PipelineTranslator(pipeline).Translate();

    private TranslatedPipeline Translate()
    {
        foreach (var pcollection in _fusion.Materialized.Order(StringComparer.Ordinal)) AddDataset(pcollection);
        var stages = new List<Stage>();
        foreach (var node in _graph.Nodes)
        {
            switch (node.Kind)
            {
                case NodeKind.Impulse:
                    stages.Add(new ImpulseStage(stages.Count, node.Proto.UniqueName, DatasetOf(node.Outputs.Single())));
                    break;
                case NodeKind.GroupByKey:
                    stages.Add(Grouping(stages.Count, node));
                    break;
            }
        }

        var fusedStages = new List<(string DescriptorId, FusedStage Stage)>();
        foreach (var fused in _fusion.Stages)
        {
            var stage = Executable(stages.Count, fused);
            stages.Add(stage);
            fusedStages.Add((stage.DescriptorId, fused));
        }

        var environments = _fusion.Stages.Select(stage => stage.Environment).Distinct().ToDictionary(id => id, id => Components.Environments[id]);
        var names = Components.Transforms.ToDictionary(transform => transform.Key, transform => transform.Value.UniqueName);
        return new TranslatedPipeline(new Plan(stages, [.. _datasets.Values]), Describe, environments, names);

        IReadOnlyList<ProcessBundleDescriptor> Describe(Proto.ApiServiceDescriptor endpoint) =>
            [.. fusedStages.Select(stage => StageDescriptors.Create(stage.DescriptorId, stage.Stage, Components, Sinks(stage.Stage), ElementCoder, endpoint))];
    }

    private List<string> Sinks(FusedStage stage) => [.. stage.Produced.Where(_fusion.Materialized.Contains).Order(StringComparer.Ordinal)];

    private Dataset DatasetOf(string pcollection) => _datasets[_fusion.Resolve(pcollection)];

    private string ElementCoder(string pcollection) =>
        WireCoders.Element(Components, pcollection, _graph.PCollection(pcollection).CoderId, DatasetOf(pcollection).Elements);

    private void AddDataset(string pcollection)
    {
        var name = _graph.PCollection(pcollection).UniqueName;
        _datasets.Add(pcollection, new Dataset(
            _datasets.Count,
            name.Length > 0 ? name : pcollection,
            FormatOf(pcollection),
            WireCoders.Format(Components, _graph.Windowing(pcollection).WindowCoderId)));
        ElementCoder(pcollection); // what cannot be framed is told now
    }

    private ElementFormat FormatOf(string dataset)
    {
        if (_graph.Nodes.Any(node => node.Kind == NodeKind.GroupByKey && node.Outputs.Contains(dataset))) return ElementFormat.KeyIterable;
        var isGrouped = _graph.Nodes.Any(node =>
            (node.Kind == NodeKind.GroupByKey && _fusion.Resolve(node.MainInput) == dataset) ||
            node.SideInputs.Values.Any(side => side.Access == AccessPattern.Multimap && _fusion.Resolve(side.PCollection) == dataset));
        return isGrouped ? ElementFormat.KeyValue : ElementFormat.LengthPrefixed;
    }

    private GroupByKeyStage Grouping(int id, TransformNode node)
    {
        var windowing = _graph.Windowing(node.MainInput);
        var merges = windowing.MergeStatus == Proto.MergeStatus.Types.Enum.NeedsMerge;
        var input = DatasetOf(node.MainInput);
        if (merges && (windowing.WindowFn?.Urn != BeamUrns.WindowFns.SessionWindows || input.Windows != WindowFormat.Interval))
            throw new PipelineTranslationException(
                $"Transform '{node.Proto.UniqueName}' groups in windows that '{windowing.WindowFn?.Urn}' merges. The direct runner merges session windows only in this version.");
        if (_graph.Windowing(node.Outputs.Single()).WindowCoderId is var outputCoder && !WireCoders.AreSame(Components, windowing.WindowCoderId, outputCoder))
            throw new PipelineTranslationException($"The input and the output of transform '{node.Proto.UniqueName}' have windows of different types.");
        return new GroupByKeyStage(id, node.Proto.UniqueName, input, DatasetOf(node.Outputs.Single()), windowing.OutputTime switch
        {
            Proto.OutputTime.Types.Enum.EarliestInPane => GroupTimestamp.Earliest,
            Proto.OutputTime.Types.Enum.LatestInPane => GroupTimestamp.Latest,
            _ => GroupTimestamp.EndOfWindow,
        }, merges);
    }

    private ExecutableStage Executable(int id, FusedStage fused)
    {
        return new ExecutableStage(id, fused.Name)
        {
            Environment = fused.Environment,
            DescriptorId = $"stage-{id}",
            Input = DatasetOf(fused.Root),
            SourceTransformId = StageDescriptors.Source(fused.Root),
            Sinks = Sinks(fused).ToDictionary(StageDescriptors.Sink, DatasetOf),
            SideInputs = [.. fused.Nodes.SelectMany(node => node.SideInputs.Select(side =>
                new SideInputSpec(node.Id, side.Key, side.Value.Access, DatasetOf(side.Value.PCollection))))],
        };
    }
}
