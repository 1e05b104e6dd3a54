using Beam.Coders;
using Beam.ML.Inference.Clients;

namespace Beam.ML.Inference;

/// <summary>A handler in front of or behind another: all that it does not change is the other's.</summary>
internal abstract class WrappedHandler<TOuter, TOuterPrediction, TExample, TPrediction>(InferenceHandler<TExample, TPrediction> inner)
    : InferenceHandler<TOuter, TOuterPrediction>
{
    protected InferenceHandler<TExample, TPrediction> Inner => inner;

    public override string MetricsNamespace => inner.MetricsNamespace;
    public override IReadOnlyDictionary<string, string> ResourceHints => inner.ResourceHints;
    public override BatchElementsOptions Batching => inner.Batching;
    public override bool ShouldSkipBatching => inner.ShouldSkipBatching;
    public override int MaxConcurrentElements => inner.MaxConcurrentElements;
    public override IReadOnlyCollection<string> InferenceArgNames => inner.InferenceArgNames;
    internal override string DisplayName => inner.DisplayName;

    public override void ValidateInferenceArgs(InferenceArgs args) => inner.ValidateInferenceArgs(args);
}

/// <inheritdoc cref="InferenceHandler{TExample,TPrediction}.WithPreprocess{TInput}"/>
internal sealed class PreprocessHandler<TInput, TExample, TPrediction>(InferenceHandler<TExample, TPrediction> inner, Func<TInput, TExample> preprocess)
    : WrappedHandler<TInput, TPrediction, TExample, TPrediction>(inner)
{
    internal override BoundHandler<TInput, TPrediction> Bind(CoderRegistry coders, string transformName) =>
        new BoundPreprocess<TInput, TExample, TPrediction>(Inner.Bind(coders, transformName), preprocess);
}

/// <inheritdoc cref="InferenceHandler{TExample,TPrediction}.WithPostprocess{TOutput}"/>
internal sealed class PostprocessHandler<TExample, TPrediction, TOutput>(InferenceHandler<TExample, TPrediction> inner, Func<TPrediction, TOutput> postprocess)
    : WrappedHandler<TExample, TOutput, TExample, TPrediction>(inner)
{
    internal override BoundHandler<TExample, TOutput> Bind(CoderRegistry coders, string transformName) =>
        new BoundPostprocess<TExample, TPrediction, TOutput>(Inner.Bind(coders, transformName), postprocess);
}

/// <inheritdoc cref="InferenceHandler{TExample,TPrediction}.WithNoBatching"/>
internal sealed class NoBatchingHandler<TExample, TPrediction>(InferenceHandler<TExample, TPrediction> inner)
    : WrappedHandler<IReadOnlyList<TExample>, IReadOnlyList<TPrediction>, TExample, TPrediction>(inner)
{
    // Batches that a model gets one after another, as if they came from the transform.
    public override bool ShouldSkipBatching => true;
    public override int MaxConcurrentElements => 1;

    internal override BoundHandler<IReadOnlyList<TExample>, IReadOnlyList<TPrediction>> Bind(CoderRegistry coders, string transformName) =>
        new BoundNoBatching<TExample, TPrediction>(Inner.Bind(coders, transformName));
}
