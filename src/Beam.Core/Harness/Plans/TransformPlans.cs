using Beam.Model;
using Beam.Model.FnExecution;
using Beam.Serialization;
using Beam.Translation;
using Proto = Beam.Model.Pipeline;

namespace Beam.Harness;

/// <summary>What the harness can run, by URN.</summary>
internal static class TransformPlans
{
    private delegate TransformPlan Factory(string id, Proto.PTransform transform, BundlePlan bundle);

    private static readonly Dictionary<string, Factory> Factories = new()
    {
        [BeamUrns.FnApiTransforms.DataSource] = (id, t, b) => new SourcePlan(id, t, b),
        [BeamUrns.FnApiTransforms.DataSink] = (id, t, b) => new SinkPlan(id, t, b),
        [BeamUrns.Transforms.ParDo] = (id, t, b) => new ParDoPlan(id, t, b),
        [BeamUrns.Transforms.Flatten] = (id, t, b) => new FlattenPlan(id, t, b),
        [BeamUrns.Transforms.AssignWindows] = (id, t, b) => new WindowIntoPlan(id, t, b),
        [BeamUrns.Transforms.MapWindows] = (id, t, b) => new MapWindowsPlan(id, t, b),
        [BeamUrns.Transforms.ToString] = (id, t, b) => new ToStringPlan(id, t, b),
        [BeamUrns.Transforms.CombinePerKeyPrecombine] = (id, t, b) => new CombinePlan(id, t, b, CombineStep.Precombine),
        [BeamUrns.Transforms.CombinePerKeyMergeAccumulators] = (id, t, b) => new CombinePlan(id, t, b, CombineStep.MergeAccumulators),
        [BeamUrns.Transforms.CombinePerKeyExtractOutputs] = (id, t, b) => new CombinePlan(id, t, b, CombineStep.ExtractOutputs),
        [BeamUrns.Transforms.CombinePerKeyConvertToAccumulators] = (id, t, b) => new CombinePlan(id, t, b, CombineStep.ConvertToAccumulators),
        [BeamUrns.Transforms.CombineGroupedValues] = (id, t, b) => new CombinePlan(id, t, b, CombineStep.CombineGroupedValues),
    };

    public static TransformPlan Create(string id, Proto.PTransform transform, BundlePlan bundle) =>
        Factories.TryGetValue(transform.Spec?.Urn ?? "", out var factory)
            ? factory(id, transform, bundle)
            : throw new NotSupportedException($"The .NET harness cannot run '{transform.UniqueName}': it knows no transform '{transform.Spec?.Urn}'.");
}

/// <summary>Where a source reads or a sink writes, and how.</summary>
internal sealed record RemotePort(Proto.ApiServiceDescriptor Endpoint, string CoderId)
{
    public static RemotePort Of(Proto.PTransform transform)
    {
        var port = RemoteGrpcPort.Parser.ParseFrom(transform.Spec.Payload);
        return new RemotePort(port.ApiServiceDescriptor ?? new Proto.ApiServiceDescriptor(), port.CoderId);
    }
}

internal sealed class SourcePlan(string id, Proto.PTransform transform, BundlePlan bundle) : TransformPlan(id, transform, bundle)
{
    private readonly RemotePort _port = RemotePort.Of(transform);

    public RemotePort Port => _port;

    public override bool GuessesLast => true;

    public override void InferFromCoders(TypeMap types) => types.Set(SingleOutput, types.Natural(SingleOutput));

    public override Operator Create(OperatorContext context) =>
        (Operator)Generics.Create(typeof(SourceOperator<>), [Bundle.Types[SingleOutput]], context, _port.CoderId);
}

internal sealed class SinkPlan(string id, Proto.PTransform transform, BundlePlan bundle) : TransformPlan(id, transform, bundle)
{
    private readonly RemotePort _port = RemotePort.Of(transform);

    public override bool GuessesLast => true;

    public override void InferFromCoders(TypeMap types) => types.Set(SingleInput, types.Natural(SingleInput));

    public override Operator Create(OperatorContext context) =>
        (Operator)Generics.Create(typeof(SinkOperator<>), [Bundle.Types[SingleInput]], context, _port);
}

/// <summary>A transform whose inputs and output have one type.</summary>
internal abstract class PassThroughPlan(string id, Proto.PTransform transform, BundlePlan bundle) : TransformPlan(id, transform, bundle)
{
    public override void Infer(TypeMap types)
    {
        var known = types.Find(SingleOutput);
        foreach (var input in MainInputs) known ??= types.Find(input);
        if (known is null) return;
        types.Set(SingleOutput, known);
        foreach (var input in MainInputs) types.Set(input, known);
    }
}

internal sealed class FlattenPlan(string id, Proto.PTransform transform, BundlePlan bundle) : PassThroughPlan(id, transform, bundle)
{
    public override Operator Create(OperatorContext context) =>
        (Operator)Generics.Create(typeof(FlattenOperator<>), [Bundle.Types[SingleOutput]], context);
}

internal sealed class WindowIntoPlan : PassThroughPlan
{
    private readonly WindowFn _windowFn;

    public WindowIntoPlan(string id, Proto.PTransform transform, BundlePlan bundle) : base(id, transform, bundle)
    {
        var spec = Proto.WindowIntoPayload.Parser.ParseFrom(transform.Spec.Payload).WindowFn;
        _windowFn = WindowingTranslation.WindowFnFromProto(spec)
            ?? throw new NotSupportedException($"The .NET harness cannot run '{transform.UniqueName}': it knows no window function '{spec.Urn}'.");
    }

    public override Operator Create(OperatorContext context) =>
        (Operator)Generics.Create(typeof(WindowIntoOperator<>), [Bundle.Types[SingleOutput]], context, _windowFn);
}

internal sealed class MapWindowsPlan : TransformPlan
{
    private readonly WindowFn _windowFn;

    public MapWindowsPlan(string id, Proto.PTransform transform, BundlePlan bundle) : base(id, transform, bundle)
    {
        var spec = Proto.FunctionSpec.Parser.ParseFrom(transform.Spec.Payload);
        _windowFn = spec.Urn == DotnetUrns.WindowMappingFn
            ? DotnetPayloads.Deserialize<WindowFn>(spec.Payload)
            : throw new NotSupportedException($"The .NET harness cannot run '{transform.UniqueName}': it knows no window mapping '{spec.Urn}'.");
    }

    public override void Infer(TypeMap types)
    {
        types.Set(SingleInput, Generics.Kv(types.NaturalComponent(SingleInput, 0), types.NaturalComponent(SingleInput, 1)));
        types.Set(SingleOutput, Generics.Kv(types.NaturalComponent(SingleInput, 0), types.NaturalComponent(SingleOutput, 1)));
    }

    public override Operator Create(OperatorContext context)
    {
        var (nonce, from) = Generics.KvOf(Bundle.Types[SingleInput])!.Value;
        return (Operator)Generics.Create(typeof(MapWindowsOperator<,,>), [nonce, from, Generics.KvOf(Bundle.Types[SingleOutput])!.Value.Value], context, _windowFn);
    }
}

internal sealed class ToStringPlan(string id, Proto.PTransform transform, BundlePlan bundle) : TransformPlan(id, transform, bundle)
{
    public override void Infer(TypeMap types)
    {
        if (types.Find(SingleInput) is { } input && Generics.KvOf(input) is { } kv) types.Set(SingleOutput, Generics.Kv(kv.Key, typeof(string)));
    }

    public override void InferFromCoders(TypeMap types) =>
        types.Set(SingleInput, Generics.Kv(types.NaturalComponent(SingleInput, 0), types.NaturalComponent(SingleInput, 1)));

    public override Operator Create(OperatorContext context)
    {
        var (nonce, element) = Generics.KvOf(Bundle.Types[SingleInput])!.Value;
        return (Operator)Generics.Create(typeof(ToStringOperator<,>), [nonce, element], context);
    }
}
