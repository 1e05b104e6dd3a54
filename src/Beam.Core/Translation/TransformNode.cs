using Beam.Coders;
using Beam.Model.Pipeline;
using Beam.Translation;
using Google.Protobuf;

namespace Beam;

/// <summary>One transform of a pipeline while it is being expanded: where a primitive says what it is.</summary>
internal sealed class TransformNode : IDisposable
{
    private readonly PipelineGraph graph;

    public TransformNode(PipelineGraph graph, string fullName, PTransform proto, IPValue input)
    {
        this.graph = graph;
        FullName = fullName;
        Proto = proto;
        foreach (var (tag, collection) in input.Collections) AddInput(input is PCollection ? "in" : tag, collection);
    }

    public string FullName { get; }

    public PTransform Proto { get; }

    public PipelineGraph Graph => graph;

    public void AddInput(string tag, PCollection collection) => Proto.Inputs[tag] = collection.Id;

    /// <summary>Says what the transform is. One that runs in the SDK names its environment.</summary>
    public void SetSpec(string urn, IMessage? payload = null, bool runsInSdk = false)
    {
        Proto.Spec = new FunctionSpec { Urn = urn, Payload = payload?.ToByteString() ?? ByteString.Empty };
        if (runsInSdk) Proto.EnvironmentId = PipelineGraph.EnvironmentId;
    }

    public PCollection<T> AddOutput<T>(string tag, WindowingStrategy windowing, bool isBounded, Coder<T>? coder = null)
    {
        var output = graph.AddCollection($"{FullName}.{tag}", coder ?? graph.CoderFor<T>(FullName, tag == "out" ? "output" : $"output '{tag}'"), windowing, isBounded);
        Proto.Outputs[tag] = output.Id;
        return output;
    }

    /// <summary>Records the outputs of a composite, which are those of its parts.</summary>
    public void Complete(IPValue output)
    {
        foreach (var (tag, collection) in output.Collections) Proto.Outputs.TryAdd(tag, collection.Id);
    }

    public void Dispose() => graph.End(this);
}
