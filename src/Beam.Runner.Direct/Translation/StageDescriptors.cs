using Beam.Model;
using Beam.Model.FnExecution;
using Beam.Model.Pipeline;
using Google.Protobuf;

namespace Beam.Runner.Direct.Translation;

/// <summary>Makes the descriptors by which harnesses know what to execute.</summary>
internal static class StageDescriptors
{
    /// <summary>The transform that reads a stage's elements.</summary>
    public static string Source(string root) => $"fn/read/{root}";

    /// <summary>The transform that writes a materialised PCollection.</summary>
    public static string Sink(string pcollection) => $"fn/write/{pcollection}";

    /// <param name="id">The descriptor's id.</param>
    /// <param name="stage">What is to be executed.</param>
    /// <param name="components">The pipeline's components, with the wire coders.</param>
    /// <param name="sinks">The PCollections to write.</param>
    /// <param name="elementCoders">The wire coder of each materialised PCollection's elements.</param>
    /// <param name="endpoint">Where data and state are served.</param>
    public static ProcessBundleDescriptor Create(
        string id, FusedStage stage, Components components, IReadOnlyList<string> sinks, Func<string, string> elementCoders, ApiServiceDescriptor endpoint)
    {
        var descriptor = new ProcessBundleDescriptor { Id = id, StateApiServiceDescriptor = endpoint };
        var sideInputs = stage.Nodes.SelectMany(node => node.SideInputs.Values).Select(side => side.PCollection);
        var atTheBorder = sinks.Concat(sideInputs).Append(stage.Root).ToHashSet();
        foreach (var node in stage.Nodes)
        {
            // A Flatten may be a copy that has some of the inputs.
            var transform = node.Proto.Clone();
            transform.Inputs.Clear();
            foreach (var (name, pcollection) in node.Inputs) transform.Inputs.Add(name, pcollection);
            foreach (var (name, side) in node.SideInputs) transform.Inputs.Add(name, side.PCollection);
            if (transform.EnvironmentId.Length == 0) transform.EnvironmentId = stage.Environment;
            descriptor.Transforms.Add(node.Id, transform);
            foreach (var pcollection in transform.Inputs.Values.Concat(transform.Outputs.Values)) AddPCollection(pcollection);
        }

        AddPCollection(stage.Root);
        var source = Port(BeamUrns.FnApiTransforms.DataSource, stage.Root);
        source.Outputs.Add("out", stage.Root);
        descriptor.Transforms.Add(Source(stage.Root), source);
        foreach (var pcollection in sinks)
        {
            var sink = Port(BeamUrns.FnApiTransforms.DataSink, pcollection);
            sink.Inputs.Add("in", pcollection);
            descriptor.Transforms.Add(Sink(pcollection), sink);
        }

        descriptor.Coders.Add(components.Coders);
        descriptor.WindowingStrategies.Add(components.WindowingStrategies);
        descriptor.Environments.Add(components.Environments);
        return descriptor;

        void AddPCollection(string pcollection)
        {
            if (descriptor.Pcollections.ContainsKey(pcollection)) return;
            var proto = components.Pcollections[pcollection];
            if (atTheBorder.Contains(pcollection))
            {
                proto = proto.Clone();
                proto.CoderId = elementCoders(pcollection);
            }

            descriptor.Pcollections.Add(pcollection, proto);
        }

        PTransform Port(string urn, string pcollection)
        {
            var windowing = components.WindowingStrategies[components.Pcollections[pcollection].WindowingStrategyId];
            var port = new RemoteGrpcPort { ApiServiceDescriptor = endpoint, CoderId = WireCoders.Windowed(components, elementCoders(pcollection), windowing.WindowCoderId) };
            return new PTransform { UniqueName = pcollection, Spec = new FunctionSpec { Urn = urn, Payload = port.ToByteString() } };
        }
    }
}
