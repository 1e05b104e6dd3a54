using Beam.Model.Pipeline;
using Beam.Serialization;
using Beam.SideInputs;
using Google.Protobuf;

namespace Beam.Translation;

/// <summary>A function as a <c>ParDoPayload</c>, and the views that it captured as the transform's side inputs.</summary>
internal static class ParDoTranslation
{
    /// <summary>The main output of a function that was not given tags.</summary>
    public const string MainOutput = "out";

    public static string NameOf(object fn)
    {
        var name = fn is INamedFn named ? named.Name : fn.GetType().Name;
        var arity = name.IndexOf('`', StringComparison.Ordinal);
        return arity < 0 ? name : name[..arity];
    }

    /// <summary>Makes <paramref name="node"/> the ParDo of <paramref name="fn"/>. The first output that is added is the main one.</summary>
    public static void Describe(TransformNode node, object fn, string mainOutput = MainOutput)
    {
        var payload = new ParDoPayload { DoFn = DotnetPayloads.ToSpec(DotnetUrns.DoFn, fn, node.FullName, out var captured) };
        payload.DoFn.Payload = new DoFnEnvelope(mainOutput, payload.DoFn.Payload).ToByteString();
        foreach (var view in captured.Views.DistinctBy(v => v.Tag))
        {
            if (view.Collection is not { } collection)
                throw new PipelineConstructionException($"Transform '{node.FullName}' captured a view that belongs to no pipeline.");
            if (collection.Pipeline != node.Graph.Pipeline)
                throw new PipelineConstructionException($"Transform '{node.FullName}' captured a view of '{collection.Id}', which belongs to another pipeline.");
            node.AddInput(view.Tag, collection);
            payload.SideInputs.Add(view.Tag, new SideInput
            {
                AccessPattern = new FunctionSpec { Urn = view.ViewFn!.IsMultimap ? "beam:side_input:multimap:v1" : "beam:side_input:iterable:v1" },
                ViewFn = DotnetPayloads.ToSpec(DotnetUrns.ViewFn, view.ViewFn, node.FullName, out _),
                WindowMappingFn = DotnetPayloads.ToSpec(DotnetUrns.WindowMappingFn, collection.Windowing.WindowFn, node.FullName, out _),
            });
        }

        node.SetSpec("beam:transform:pardo:v1", payload, runsInSdk: true);
    }
}

/// <summary>A function that knows a better name for its transform than its type's.</summary>
internal interface INamedFn
{
    string Name { get; }
}

/// <summary>The URNs of what only this SDK reads.</summary>
internal static class DotnetUrns
{
    public const string DoFn = "beam:dotnet:do_fn:v1";
    public const string CombineFn = "beam:dotnet:combine_fn:v1";
    public const string ViewFn = "beam:dotnet:view_fn:v1";
    public const string WindowMappingFn = "beam:dotnet:window_mapping_fn:v1";
}

/// <summary>What a DoFn's payload holds beside the function: the tag of its main output (a ParDo's outputs are a map, and have no order).</summary>
internal sealed record DoFnEnvelope(string MainOutput, ByteString Fn)
{
    public ByteString ToByteString()
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
        {
            output.WriteString(MainOutput);
            output.WriteBytes(Fn);
        }

        return ByteString.CopyFrom(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    public static DoFnEnvelope Parse(ByteString bytes)
    {
        using var input = bytes.CreateCodedInput();
        return new DoFnEnvelope(input.ReadString(), input.ReadBytes());
    }
}
