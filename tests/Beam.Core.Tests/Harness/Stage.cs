using Beam.Coders;
using Beam.Coders.Windows;
using Beam.Model;
using Beam.Model.FnExecution;
using Beam.Model.Pipeline;
using Beam.Serialization;
using Beam.Translation;
using Google.Protobuf;
using Coder = Beam.Model.Pipeline.Coder;

namespace Beam.Core.Tests.Harness;

/// <summary>A descriptor made of a pipeline by cutting it at given collections, as a runner does.</summary>
internal sealed class Stage
{
    public const string DataUrl = "memory:data";
    public const string StateUrl = "memory:state";

    private readonly ProcessBundleDescriptor _descriptor;

    public Stage(Pipeline pipeline, string id = "stage")
    {
        var proto = pipeline.ToProto().Components;
        _descriptor = new ProcessBundleDescriptor { Id = id, StateApiServiceDescriptor = new ApiServiceDescriptor { Url = StateUrl } };
        foreach (var (transformId, transform) in proto.Transforms)
        {
            if (transform.EnvironmentId.Length != 0 || transform.Spec?.Urn == BeamUrns.Transforms.Flatten) _descriptor.Transforms.Add(transformId, transform);
        }

        _descriptor.Pcollections.Add(proto.Pcollections);
        _descriptor.Coders.Add(proto.Coders);
        _descriptor.WindowingStrategies.Add(proto.WindowingStrategies);
    }

    public ProcessBundleDescriptor Descriptor => _descriptor;

    /// <summary>A collection that nothing in the pipeline makes.</summary>
    public static PCollection<T> Input<T>(Pipeline pipeline, string id = "input", WindowingStrategy? windowing = null) =>
        pipeline.Graph.AddCollection(id, pipeline.Coders.Get<T>(), windowing ?? WindowingStrategy.Default, isBounded: true);

    public Stage Source(PCollection collection) => Port(BeamUrns.FnApiTransforms.DataSource, "source:" + collection.Id, collection.Id);

    public Stage Sink(params PCollection[] collections)
    {
        foreach (var collection in collections) Port(BeamUrns.FnApiTransforms.DataSink, "sink:" + collection.Id, collection.Id);
        return this;
    }

    /// <summary>Adds a transform that pipelines do not have and runners make, with a combine function.</summary>
    public Stage Combine(string urn, object fn, PCollection input, PCollection output)
    {
        var spec = DotnetPayloads.ToSpec(DotnetUrns.CombineFn, fn, urn, out _);
        _descriptor.Transforms.Add(urn, new PTransform
        {
            UniqueName = "Combine/" + urn.Split(':')[2],
            Spec = new FunctionSpec { Urn = urn, Payload = new CombinePayload { CombineFn = spec }.ToByteString() },
            Inputs = { ["in"] = input.Id },
            Outputs = { ["out"] = output.Id },
        });
        return this;
    }

    public static WindowedValueCoder<T> CoderOf<T>(PCollection<T> collection) => new(collection.Coder, collection.Windowing.WindowFn.WindowCoder);

    public static ByteString Encode<T>(PCollection<T> collection, IEnumerable<WindowedValue<T>> elements)
    {
        using var writer = new CoderWriter();
        foreach (var element in elements) CoderOf(collection).Encode(element, writer, nested: true);
        return writer.ToByteString();
    }

    public static List<WindowedValue<T>> Decode<T>(PCollection<T> collection, IEnumerable<ByteString> chunks)
    {
        var elements = new List<WindowedValue<T>>();
        foreach (var chunk in chunks)
        {
            var reader = new CoderReader(chunk.Span);
            while (!reader.AtEnd) elements.Add(CoderOf(collection).Decode(ref reader, nested: true));
        }

        return elements;
    }

    private Stage Port(string urn, string transformId, string collectionId)
    {
        var collection = _descriptor.Pcollections[collectionId];
        var coderId = "windowed:" + collectionId;
        if (!_descriptor.Coders.ContainsKey(coderId))
        {
            _descriptor.Coders.Add(coderId, new Coder
            {
                Spec = new FunctionSpec { Urn = BeamUrns.Coders.WindowedValue },
                ComponentCoderIds = { collection.CoderId, _descriptor.WindowingStrategies[collection.WindowingStrategyId].WindowCoderId },
            });
        }

        var port = new RemoteGrpcPort { ApiServiceDescriptor = new ApiServiceDescriptor { Url = DataUrl }, CoderId = coderId };
        var transform = new PTransform { UniqueName = transformId, Spec = new FunctionSpec { Urn = urn, Payload = port.ToByteString() } };
        (urn == BeamUrns.FnApiTransforms.DataSource ? transform.Outputs : transform.Inputs).Add("port", collectionId);
        _descriptor.Transforms.Add(transformId, transform);
        return this;
    }
}
