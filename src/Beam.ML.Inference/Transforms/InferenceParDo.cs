using Beam.Coders;
using Beam.Translation;

namespace Beam.ML.Inference;

/// <summary>The names of the outputs of the step that calls the model.</summary>
internal static class InferenceParDo
{
    public const string Good = "good";
    public const string Bad = "bad";
}

/// <summary>The step that calls the model, with an output for failed elements if there is a tag for them.</summary>
internal sealed class InferenceParDo<TInput, TExample, TPrediction>(
    AsyncDoFn<TInput, TPrediction> fn, OutputTag<FailedElement<TExample>>? failed, Coder<TExample> exampleCoder)
    : PTransform<PCollection<TInput>, PCollectionTuple>
{
    public override string Name => "BeamML_RunInference";

    public override PCollectionTuple Expand(PCollection<TInput> input)
    {
        var node = input.Pipeline.Graph.Current;
        ParDoTranslation.Describe(node, fn, InferenceParDo.Good);
        var outputs = new Dictionary<string, PCollection>
        {
            [InferenceParDo.Good] = node.AddOutput<TPrediction>(InferenceParDo.Good, input.Windowing, input.IsBounded),
        };
        if (failed is not null)
            outputs[failed.Name] = node.AddOutput(failed.Name, input.Windowing, input.IsBounded, new FailedElementCoder<TExample>(exampleCoder));
        return new PCollectionTuple(input.Pipeline, outputs);
    }
}
