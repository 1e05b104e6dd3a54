using Beam.Metrics;

namespace Beam.Harness;

/// <summary>A step of a combine that looks at one key and one element at a time.</summary>
internal abstract class CombineOperator<TKey, TIn, TOut>(OperatorContext context) : Receiver<KV<TKey, TIn>>(context)
{
    private readonly OutputEdge<KV<TKey, TOut>> _output = context.SingleEdge<KV<TKey, TOut>>();
    private MetricsContainer _metrics = new();

    public override MetricsContainer Metrics => _metrics;

    public override void StartBundle(BundleContext bundle) => _metrics = new MetricsContainer();

    public override void Receive(in WindowedValue<KV<TKey, TIn>> element)
    {
        var scope = Context.EnterUser(_metrics);
        var result = Apply(element.Value.Value);
        Context.LeaveUser(in scope);
        _output.Emit(element.With(new KV<TKey, TOut>(element.Value.Key, result)));
    }

    protected abstract TOut Apply(TIn value);
}

/// <summary>Merges the accumulators that were grouped for a key.</summary>
internal sealed class MergeAccumulatorsOperator<TKey, TInput, TAccumulator, TOutput>(
    OperatorContext context, CombineFn<TInput, TAccumulator, TOutput> fn)
    : CombineOperator<TKey, IEnumerable<TAccumulator>, TAccumulator>(context)
{
    protected override TAccumulator Apply(IEnumerable<TAccumulator> value) => fn.MergeAccumulators(value);
}

/// <summary>Makes results of accumulators.</summary>
internal sealed class ExtractOutputsOperator<TKey, TInput, TAccumulator, TOutput>(
    OperatorContext context, CombineFn<TInput, TAccumulator, TOutput> fn)
    : CombineOperator<TKey, TAccumulator, TOutput>(context)
{
    protected override TOutput Apply(TAccumulator value) => fn.ExtractOutput(value);
}

/// <summary>Makes an accumulator of each input.</summary>
internal sealed class ConvertToAccumulatorsOperator<TKey, TInput, TAccumulator, TOutput>(
    OperatorContext context, CombineFn<TInput, TAccumulator, TOutput> fn)
    : CombineOperator<TKey, TInput, TAccumulator>(context)
{
    protected override TAccumulator Apply(TInput value) => fn.AddInput(fn.CreateAccumulator(), value);
}

/// <summary>Combines the inputs that were grouped for a key, all at once.</summary>
internal sealed class CombineGroupedValuesOperator<TKey, TInput, TAccumulator, TOutput>(
    OperatorContext context, CombineFn<TInput, TAccumulator, TOutput> fn)
    : CombineOperator<TKey, IEnumerable<TInput>, TOutput>(context)
{
    protected override TOutput Apply(IEnumerable<TInput> value)
    {
        var accumulator = fn.CreateAccumulator();
        foreach (var input in value) accumulator = fn.AddInput(accumulator, input);
        return fn.ExtractOutput(accumulator);
    }
}
