using Beam.Coders;
using Beam.Model.Pipeline;
using Beam.Serialization;
using Beam.Translation;

namespace Beam;

/// <summary>Combine functions as <c>CombinePayload</c>s.</summary>
internal static class CombineTranslation
{
    /// <summary><c>Sum</c> for a <c>SumFn</c>.</summary>
    public static string NameOf(object fn)
    {
        var name = ParDoTranslation.NameOf(fn);
        return name.EndsWith("CombineFn", StringComparison.Ordinal) && name.Length > 9 ? name[..^9]
            : name.EndsWith("Fn", StringComparison.Ordinal) && name.Length > 2 ? name[..^2]
            : name;
    }

    public static CombinePayload Payload<TInput, TAccumulator, TOutput>(
        TransformNode node, CombineFn<TInput, TAccumulator, TOutput> fn, Coder<TInput>? inputCoder)
    {
        var spec = DotnetPayloads.ToSpec(DotnetUrns.CombineFn, fn, node.FullName, out var captured);
        if (captured.Views.FirstOrDefault() is { } view)
            throw new PipelineConstructionException($"The combine function of '{node.FullName}' captured the view '{view.Tag}'; combine functions cannot read side inputs.");
        var coder = fn.AccumulatorCoder
            ?? (inputCoder is not null && fn is IAccumulatorCoderOfInput<TInput, TAccumulator> known ? known.AccumulatorCoderFor(inputCoder) : null)
            ?? node.Graph.CoderFor<TAccumulator>(node.FullName, "accumulator");
        return new CombinePayload { CombineFn = spec, AccumulatorCoderId = node.Graph.AddCoder(coder) };
    }
}

/// <summary>A function with nothing to say about no inputs: an empty collection gives no element.</summary>
internal interface ICombineFnWithoutDefault;

/// <summary>A function whose accumulators hold inputs, and are encoded with the inputs' coder.</summary>
internal interface IAccumulatorCoderOfInput<TInput, TAccumulator>
{
    Coder<TAccumulator> AccumulatorCoderFor(Coder<TInput> input);
}
