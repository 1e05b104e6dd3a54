using Beam.Model;
using Beam.Model.Pipeline;
using Google.Protobuf;

namespace Beam.Runner.Direct.Tests.Translation;

/// <summary>Writes pipeline protos as an SDK would: elements are pairs in the global window unless told otherwise.</summary>
internal sealed class PipelineBuilder
{
    private readonly Components _components = new();
    private readonly List<string> _roots = [];

    public PipelineBuilder()
    {
        Coder("bytes", BeamUrns.Coders.Bytes);
        Coder("custom", "sdk:coder:custom:v1");
        Coder("kv", BeamUrns.Coders.Kv, "bytes", "custom");
        Coder("iterable", BeamUrns.Coders.Iterable, "custom");
        Coder("grouped", BeamUrns.Coders.Kv, "bytes", "iterable");
        Coder("global", BeamUrns.Coders.GlobalWindow);
        Coder("interval", BeamUrns.Coders.IntervalWindow);
        Windowing("default", "global");
        _components.Environments.Add("env", new Model.Pipeline.Environment { Urn = "test:env" });
        _components.Environments.Add("other", new Model.Pipeline.Environment { Urn = "test:env" });
    }

    public Components Components => _components;

    public Model.Pipeline.Pipeline Build() => new() { Components = _components, RootTransformIds = { _roots } };

    public void Coder(string id, string urn, params string[] components) =>
        _components.Coders.Add(id, new Coder { Spec = new FunctionSpec { Urn = urn }, ComponentCoderIds = { components } });

    public void Windowing(string id, string coder, string windowFn = BeamUrns.WindowFns.GlobalWindows, bool merges = false) =>
        _components.WindowingStrategies.Add(id, new Model.Pipeline.WindowingStrategy
        {
            WindowFn = new FunctionSpec { Urn = windowFn },
            WindowCoderId = coder,
            MergeStatus = merges ? MergeStatus.Types.Enum.NeedsMerge : MergeStatus.Types.Enum.NonMerging,
        });

    public string PCollection(string id, string coder = "kv", string windowing = "default")
    {
        if (!_components.Pcollections.ContainsKey(id))
            _components.Pcollections.Add(id, new Model.Pipeline.PCollection { UniqueName = id, CoderId = coder, WindowingStrategyId = windowing });
        return id;
    }

    /// <summary>A transform; <paramref name="inputs"/> and <paramref name="outputs"/> are PCollections, named 0, 1, … locally.</summary>
    public PTransform Add(string id, string urn, string[] inputs, string[] outputs, string environment = "", IMessage? payload = null, bool isRoot = true)
    {
        var transform = new PTransform { UniqueName = $"Name of {id}", EnvironmentId = environment, Spec = new FunctionSpec { Urn = urn } };
        if (payload is not null) transform.Spec.Payload = payload.ToByteString();
        foreach (var (i, input) in inputs.Index()) transform.Inputs.Add($"{i}", PCollection(input));
        foreach (var (i, output) in outputs.Index()) transform.Outputs.Add($"{i}", PCollection(output));
        _components.Transforms.Add(id, transform);
        if (isRoot) _roots.Add(id);
        return transform;
    }

    public void Impulse(string output)
    {
        PCollection(output, "bytes");
        Add($"impulse {output}", BeamUrns.Transforms.Impulse, [], [output]);
    }

    public void ParDo(string id, string input, params string[] outputs) => ParDoWith(id, new ParDoPayload(), input, outputs);

    public void ParDoWith(string id, ParDoPayload payload, string input, params string[] outputs) =>
        Add(id, BeamUrns.Transforms.ParDo, [input], outputs, "env", payload);

    public void ParDoWithSideInput(string id, string input, string side, string access, params string[] outputs)
    {
        var payload = new ParDoPayload { SideInputs = { ["side"] = new SideInput { AccessPattern = new FunctionSpec { Urn = access } } } };
        Add(id, BeamUrns.Transforms.ParDo, [input], outputs, "env", payload).Inputs.Add("side", side);
    }

    public void GroupByKey(string input, string output)
    {
        PCollection(output, "grouped", _components.Pcollections[input].WindowingStrategyId);
        Add($"group {input}", BeamUrns.Transforms.GroupByKey, [input], [output]);
    }

    public void Flatten(string output, params string[] inputs) => Add($"flatten {output}", BeamUrns.Transforms.Flatten, inputs, [output]);
}
