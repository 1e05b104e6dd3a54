using Beam.Model;
using Beam.Model.Pipeline;
using Beam.Runner.Direct.Engine;
using Google.Protobuf;

namespace Beam.Runner.Direct.Translation;

/// <summary>Reads what a runner must know of a ParDo.</summary>
internal static class ParDoInspector
{
    /// <summary>The side inputs of a ParDo by local name.</summary>
    /// <exception cref="PipelineTranslationException">It needs what a batch pipeline of this runner does not have.</exception>
    public static IReadOnlyDictionary<string, SideInputEdge> SideInputs(string id, PTransform transform)
    {
        var payload = Payload(transform);
        if (payload.StateSpecs.Count > 0) throw Unsupported("user state");
        if (payload.TimerFamilySpecs.Count > 0) throw Unsupported("timers");
        if (payload.RestrictionCoderId.Length > 0) throw Unsupported("a splittable DoFn");
        if (payload.RequestsFinalization) throw Unsupported("bundle finalization");
        if (payload.RequiresTimeSortedInput) throw Unsupported("time-sorted input");

        return payload.SideInputs.ToDictionary(side => side.Key, side =>
        {
            if (!transform.Inputs.TryGetValue(side.Key, out var pcollection))
                throw new PipelineTranslationException($"Transform '{transform.UniqueName}' has a side input '{side.Key}' that is not among its inputs.");
            return new SideInputEdge(pcollection, side.Value.AccessPattern?.Urn switch
            {
                BeamUrns.SideInputs.Iterable => AccessPattern.Iterable,
                BeamUrns.SideInputs.Multimap => AccessPattern.Multimap,
                var urn => throw new PipelineTranslationException($"Side input '{side.Key}' of transform '{transform.UniqueName}' has the unknown access pattern '{urn}'."),
            });
        });

        PipelineTranslationException Unsupported(string what) =>
            new($"Transform '{transform.UniqueName}' ({id}) uses {what}, which the direct runner does not support in this version.");
    }

    /// <summary>Whether a transform must read its input from a materialised PCollection, the same at every attempt.</summary>
    public static bool RequiresStableInput(TransformNode node) => node.Proto.Spec?.Urn == BeamUrns.Transforms.ParDo && Payload(node.Proto).RequiresStableInput;

    private static ParDoPayload Payload(PTransform transform)
    {
        try
        {
            return ParDoPayload.Parser.ParseFrom(transform.Spec.Payload);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new PipelineTranslationException($"The payload of transform '{transform.UniqueName}' is not a ParDoPayload: {e.Message}");
        }
    }
}
