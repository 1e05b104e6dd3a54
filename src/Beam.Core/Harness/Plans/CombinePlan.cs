using Beam.Serialization;
using Beam.Translation;
using Proto = Beam.Model.Pipeline;

namespace Beam.Harness;

/// <summary>The steps into which a runner may take a combine apart.</summary>
internal enum CombineStep
{
    /// <summary>KV of key and input → KV of key and accumulator, as far as a bundle goes.</summary>
    Precombine,

    /// <summary>KV of key and accumulators → KV of key and accumulator.</summary>
    MergeAccumulators,

    /// <summary>KV of key and accumulator → KV of key and output.</summary>
    ExtractOutputs,

    /// <summary>KV of key and input → KV of key and accumulator, one for one.</summary>
    ConvertToAccumulators,

    /// <summary>KV of key and inputs → KV of key and output.</summary>
    CombineGroupedValues,
}

internal sealed class CombinePlan : TransformPlan
{
    private readonly CombineStep _step;
    private readonly Google.Protobuf.ByteString _payload;
    private readonly Type _in;
    private readonly Type _accumulator;
    private readonly Type _out;

    public CombinePlan(string id, Proto.PTransform transform, BundlePlan bundle, CombineStep step) : base(id, transform, bundle)
    {
        _step = step;
        var spec = Proto.CombinePayload.Parser.ParseFrom(transform.Spec.Payload).CombineFn;
        if (spec?.Urn != DotnetUrns.CombineFn)
            throw new NotSupportedException($"The .NET harness cannot run '{transform.UniqueName}': it knows no combine function '{spec?.Urn}'.");
        _payload = spec.Payload;
        var fn = DotnetPayloads.Deserialize(_payload);
        var types = Generics.ArgumentsOfBase(fn.GetType(), typeof(CombineFn<,,>))
            ?? throw new InvalidDataException($"The payload of '{transform.UniqueName}' holds a {fn.GetType()}, which is no CombineFn.");
        (_in, _accumulator, _out) = (types[0], types[1], types[2]);
    }

    private Type InputValue => _step switch
    {
        CombineStep.MergeAccumulators => Generics.Enumerable(_accumulator),
        CombineStep.ExtractOutputs => _accumulator,
        CombineStep.CombineGroupedValues => Generics.Enumerable(_in),
        _ => _in,
    };

    private Type OutputValue => _step is CombineStep.ExtractOutputs or CombineStep.CombineGroupedValues ? _out : _accumulator;

    public override void Infer(TypeMap types)
    {
        var key = (Generics.KvOf(types.Find(SingleInput)) ?? Generics.KvOf(types.Find(SingleOutput)))?.Key;
        if (key is not null) SetKey(types, key);
    }

    public override void InferFromCoders(TypeMap types) => SetKey(types, types.NaturalComponent(SingleInput, 0));

    private void SetKey(TypeMap types, Type key)
    {
        types.Set(SingleInput, Generics.Kv(key, InputValue));
        types.Set(SingleOutput, Generics.Kv(key, OutputValue));
    }

    public override Operator Create(OperatorContext context)
    {
        var key = Generics.KvOf(Bundle.Types[SingleOutput])!.Value.Key;
        var fn = DotnetPayloads.Deserialize(_payload);
        Type[] types = [key, _in, _accumulator, _out];
        return (Operator)(_step switch
        {
            CombineStep.Precombine => Generics.Create(typeof(PrecombineOperator<,,,>), types, context, fn, TimestampsOf(), Table(key)),
            CombineStep.MergeAccumulators => Generics.Create(typeof(MergeAccumulatorsOperator<,,,>), types, context, fn),
            CombineStep.ExtractOutputs => Generics.Create(typeof(ExtractOutputsOperator<,,,>), types, context, fn),
            CombineStep.ConvertToAccumulators => Generics.Create(typeof(ConvertToAccumulatorsOperator<,,,>), types, context, fn),
            _ => Generics.Create(typeof(CombineGroupedValuesOperator<,,,>), types, context, fn),
        });
    }

    private TimestampCombiner TimestampsOf() => Bundle.WindowingOf(SingleInput).OutputTime switch
    {
        Proto.OutputTime.Types.Enum.EarliestInPane => TimestampCombiner.Earliest,
        Proto.OutputTime.Types.Enum.LatestInPane => TimestampCombiner.Latest,
        _ => TimestampCombiner.EndOfWindow,
    };

    private object Table(Type key)
    {
        var keyCoder = Bundle.Coders.Get(Bundle.Coders.ComponentId(Bundle.CoderIdOf(SingleInput), 0), key);
        return typeof(AccumulatorTable).GetMethod(nameof(AccumulatorTable.Create))!.MakeGenericMethod(key, _accumulator)
            .Invoke(null, [keyCoder, Bundle.WindowCoderOf(SingleInput)])!;
    }
}
