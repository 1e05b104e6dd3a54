using Beam.ML.Inference.Clients;
using Beam.Translation;

namespace Beam.ML.Inference;

/// <summary>Puts a model in a pipeline.</summary>
public static class RunInferenceExtensions
{
    /// <summary>
    /// Asks a model for a prediction of every element. An element that has none (its prompt is longer than the model's context, say) fails
    /// the job: see <see cref="RunInferenceWithExceptionHandling"/>.
    /// </summary>
    /// <remarks>
    /// <para>The elements are reshuffled first: those that were read from one file arrive in one bundle, and would keep one worker busy
    /// while the others, and most of the model's batch, stay empty.</para>
    /// <para>Elements are batched (<see cref="InferenceHandler{TExample,TPrediction}.Batching"/>) unless the handler serves them one by one.
    /// A handler's functions before and after the model run in the same step.</para>
    /// </remarks>
    /// <param name="input">The examples.</param>
    /// <param name="handler">The model.</param>
    /// <param name="inferenceArgs">Arguments for the model, such as <c>new() { ["max_tokens"] = 64 }</c>.</param>
    /// <param name="name">The transform's name; by default <c>RunInference</c>.</param>
    /// <exception cref="PipelineConstructionException">An argument is unknown or wrong, or a type has no coder.</exception>
    public static PCollection<TPrediction> RunInference<TExample, TPrediction>(
        this PCollection<TExample> input, InferenceHandler<TExample, TPrediction> handler, InferenceArgs? inferenceArgs = null, string? name = null) =>
        input.Apply(new RunInference<TExample, TPrediction>(handler) { InferenceArgs = inferenceArgs ?? [] }, name);

    /// <summary>
    /// Asks a model for a prediction of every element. Elements that have none come out as failures, each with the reason; the others are
    /// unharmed. A model that cannot be loaded, or whose hosts are lost for good, still fails the job.
    /// </summary>
    /// <param name="input">The examples.</param>
    /// <param name="handler">The model.</param>
    /// <param name="inferenceArgs">Arguments for the model.</param>
    /// <param name="name">The transform's name; by default <c>RunInference</c>.</param>
    /// <exception cref="PipelineConstructionException">An argument is unknown or wrong, or a type has no coder.</exception>
    public static WithFailures<TPrediction, TExample> RunInferenceWithExceptionHandling<TExample, TPrediction>(
        this PCollection<TExample> input, InferenceHandler<TExample, TPrediction> handler, InferenceArgs? inferenceArgs = null, string? name = null) =>
        input.Apply(new RunInference<TExample, TPrediction>(handler) { InferenceArgs = inferenceArgs ?? [] }.WithExceptionHandling(), name);
}

/// <summary>Asks a model for a prediction of every element; see <see cref="RunInferenceExtensions"/>.</summary>
/// <typeparam name="TExample">The element type of the input.</typeparam>
/// <typeparam name="TPrediction">The element type of the output.</typeparam>
/// <param name="handler">The model.</param>
public sealed class RunInference<TExample, TPrediction>(InferenceHandler<TExample, TPrediction> handler) : PTransform<PCollection<TExample>, PCollection<TPrediction>>
{
    /// <summary>Arguments for the model. Default: none.</summary>
    public InferenceArgs InferenceArgs { get; init; } = [];

    /// <summary>The namespace of the metrics; null for the handler's.</summary>
    public string? MetricsNamespace { get; init; }

    /// <inheritdoc/>
    public override string Name => "RunInference";

    /// <summary>This transform with the elements that fail as an output of their own.</summary>
    public PTransform<PCollection<TExample>, WithFailures<TPrediction, TExample>> WithExceptionHandling() => new WithDeadLetters(this);

    /// <inheritdoc/>
    public override PCollection<TPrediction> Expand(PCollection<TExample> input) =>
        Expand(input, failed: null).Get(new OutputTag<TPrediction>(InferenceParDo.Good));

    private PCollectionTuple Expand(PCollection<TExample> input, OutputTag<FailedElement<TExample>>? failed)
    {
        var name = input.Pipeline.Graph.Current.FullName;
        try
        {
            handler.ValidateInferenceArgs(InferenceArgs);
        }
        catch (ArgumentException e)
        {
            throw new PipelineConstructionException($"Transform '{name}': {e.Message}", e);
        }

        var caller = new InferenceCaller<TExample, TPrediction>(
            handler.Bind(input.Pipeline.Coders, name), InferenceArgs, MetricsNamespace ?? handler.MetricsNamespace, failed);
        var spread = input.Reshuffle();
        return handler.ShouldSkipBatching
            ? spread.Apply(new InferenceParDo<TExample, TExample, TPrediction>(
                new ElementInferenceFn<TExample, TPrediction>(caller, handler.MaxConcurrentElements), failed, input.Coder))
            : spread.BatchElements(handler.Batching).Apply(new InferenceParDo<IReadOnlyList<TExample>, TExample, TPrediction>(
                new BatchInferenceFn<TExample, TPrediction>(caller), failed, input.Coder));
    }

    private sealed class WithDeadLetters(RunInference<TExample, TPrediction> transform) : PTransform<PCollection<TExample>, WithFailures<TPrediction, TExample>>
    {
        public override string Name => transform.Name;

        public override WithFailures<TPrediction, TExample> Expand(PCollection<TExample> input)
        {
            var failed = new OutputTag<FailedElement<TExample>>(InferenceParDo.Bad);
            var outputs = transform.Expand(input, failed);
            return new(outputs.Get(new OutputTag<TPrediction>(InferenceParDo.Good)), outputs.Get(failed));
        }
    }
}
