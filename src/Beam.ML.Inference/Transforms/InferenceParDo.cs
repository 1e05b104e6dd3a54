using Beam.Coders;
using Beam.Translation;

namespace Beam.ML.Inference;

/// <summary>The names of the outputs of the step that calls the model.</summary>
internal static class InferenceParDo
{
    public const string Good = "good";
    public const string Bad = "bad";
}

/// <summary>The step that calls the model.</summary>
internal sealed class InferenceParDo<TInput, TExample, TPrediction>(
    AsyncDoFn<TInput, TPrediction> fn, OutputTag<FailedElement<TExample>>? failed, Coder<TExample> exampleCoder)
    : PTransform<PCollection<TInput>, WithFailures<TPrediction, TExample>>
{
    public override string Name => "BeamML_RunInference";

    public override WithFailures<TPrediction, TExample> Expand(PCollection<TInput> input)
    {
        var node = input.Pipeline.Graph.Current;
        ParDoTranslation.Describe(node, fn, InferenceParDo.Good);
        var good = node.AddOutput<TPrediction>(InferenceParDo.Good, input.Windowing, input.IsBounded);
        return new(good, failed is null
            ? null!
            : node.AddOutput<FailedElement<TExample>>(failed.Name, input.Windowing, input.IsBounded, new FailedElementCoder<TExample>(exampleCoder)));
    }
}
