using Beam.Model;
using Beam.Model.Pipeline;
using Google.Protobuf;

namespace Beam.Runner.Direct.Translation;

/// <summary>
/// combine_per_key as precombine → group → merge accumulators → extract outputs: most of the combining happens before the grouping, in
/// the bundles that read the input.
/// </summary>
internal static class CombineLifting
{
    /// <summary>The parts that replace the composite, or null if its own expansion must run.</summary>
    public static IReadOnlyList<(NodeKind Kind, string Id, PTransform Proto)>? TryLift(PipelineGraph graph, string id, PTransform combine)
    {
        var components = graph.Components;
        var environment = combine.EnvironmentId.Length > 0 ? combine.EnvironmentId : InheritedEnvironment(components, combine);
        if (environment is null || combine.Inputs.Count != 1 || combine.Outputs.Count != 1) return null;
        var (input, output) = (combine.Inputs.Values.Single(), combine.Outputs.Values.Single());
        var inputCoder = WireCoders.Coder(components, graph.PCollection(input).CoderId);
        if (inputCoder.Spec?.Urn != BeamUrns.Coders.Kv || inputCoder.ComponentCoderIds.Count != 2 || Accumulator(combine) is not { } accumulator) return null;

        var key = inputCoder.ComponentCoderIds[0];
        var keyedAccumulator = WireCoders.Add(components, BeamUrns.Coders.Kv, key, accumulator);
        var groupedAccumulators = WireCoders.Add(components, BeamUrns.Coders.Kv, key, WireCoders.Add(components, BeamUrns.Coders.Iterable, accumulator));

        var precombined = PCollection("Precombine", input, keyedAccumulator);
        var grouped = PCollection("Group", output, groupedAccumulators);
        var merged = PCollection("Merge", output, keyedAccumulator);
        return
        [
            Part(NodeKind.Sdk, "Precombine", BeamUrns.Transforms.CombinePerKeyPrecombine, input, precombined),
            Part(NodeKind.GroupByKey, "Group", BeamUrns.Transforms.GroupByKey, precombined, grouped),
            Part(NodeKind.Sdk, "Merge", BeamUrns.Transforms.CombinePerKeyMergeAccumulators, grouped, merged),
            Part(NodeKind.Sdk, "ExtractOutputs", BeamUrns.Transforms.CombinePerKeyExtractOutputs, merged, output),
        ];

        string PCollection(string part, string like, string coder)
        {
            var name = PipelineGraph.Unique($"{id}/{part}.out", components.Pcollections.ContainsKey);
            var pcollection = graph.PCollection(like).Clone();
            (pcollection.UniqueName, pcollection.CoderId) = (name, coder);
            components.Pcollections.Add(name, pcollection);
            return name;
        }

        (NodeKind, string, PTransform) Part(NodeKind kind, string part, string urn, string from, string to)
        {
            var name = PipelineGraph.Unique($"{id}/{part}", components.Transforms.ContainsKey);
            var proto = new PTransform { UniqueName = $"{combine.UniqueName}/{part}", Spec = new FunctionSpec { Urn = urn } };
            proto.Inputs.Add("in", from);
            proto.Outputs.Add("out", to);
            if (kind == NodeKind.Sdk) (proto.EnvironmentId, proto.Spec.Payload) = (environment, combine.Spec.Payload);
            components.Transforms.Add(name, proto);
            return (kind, name, proto);
        }
    }

    private static string? Accumulator(PTransform combine)
    {
        try
        {
            return CombinePayload.Parser.ParseFrom(combine.Spec.Payload).AccumulatorCoderId is { Length: > 0 } id ? id : null;
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new PipelineTranslationException($"The payload of transform '{combine.UniqueName}' is not a CombinePayload: {e.Message}");
        }
    }

    private static string? InheritedEnvironment(Components components, PTransform composite) =>
        composite.Subtransforms
            .Select(id => components.Transforms.TryGetValue(id, out var part) ? part.EnvironmentId : "")
            .FirstOrDefault(environment => environment.Length > 0);
}
