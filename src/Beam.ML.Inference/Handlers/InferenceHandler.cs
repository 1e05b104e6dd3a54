using Beam.Coders;
using Beam.ML.Inference.Clients;

namespace Beam.ML.Inference;

/// <summary>
/// What <c>RunInference</c> runs: a <see cref="ModelHandler{TExample,TPrediction,TModel}"/>, or one with functions before and after it.
/// </summary>
/// <remarks>A handler travels to the workers with all its fields, as a <see cref="DoFn{TInput,TOutput}"/> does.</remarks>
/// <typeparam name="TExample">What it takes.</typeparam>
/// <typeparam name="TPrediction">What it gives for each example.</typeparam>
public abstract class InferenceHandler<TExample, TPrediction>
{
    private protected InferenceHandler() { }

    /// <summary>The namespace of the metrics, unless the transform names another. Default <c>BeamML_RunInference</c>.</summary>
    public virtual string MetricsNamespace => "BeamML_RunInference";

    /// <summary>The resources that a worker should have, by Beam's names (<c>min_ram</c>, <c>accelerator</c>). Default: none.</summary>
    public virtual IReadOnlyDictionary<string, string> ResourceHints => new Dictionary<string, string>();

    /// <summary>How elements are batched. Of no meaning to a handler that serves them one by one.</summary>
    public virtual BatchElementsOptions Batching { get; init; } = new();

    /// <summary>Whether the handler serves elements one by one as they arrive, so that they are not batched before it.</summary>
    public virtual bool ShouldSkipBatching => false;

    /// <summary>How many elements of one bundle are with the model at a time, where they are not batched. Default 256.</summary>
    public virtual int MaxConcurrentElements => 256;

    /// <summary>The names of the inference arguments that the handler knows. Default: none, so that any argument is an error.</summary>
    public virtual IReadOnlyCollection<string> InferenceArgNames => [];

    /// <summary>Checks the arguments that a transform was given, when the pipeline is built.</summary>
    /// <exception cref="ArgumentException">An argument is unknown, or its value is wrong.</exception>
    public virtual void ValidateInferenceArgs(InferenceArgs args)
    {
        foreach (var name in args.Names)
        {
            if (InferenceArgNames.Contains(name)) continue;
            throw new ArgumentException(InferenceArgNames.Count == 0
                ? $"{DisplayName} takes no inference arguments, and was given '{name}'."
                : $"{DisplayName} does not know the inference argument '{name}'. It knows {string.Join(", ", InferenceArgNames.Order(StringComparer.Ordinal))}.");
        }
    }

    /// <summary>
    /// This handler behind a function of the examples. Functions run in the order in which elements meet them: the one that was added
    /// last runs first.
    /// </summary>
    /// <param name="preprocess">What makes an example of an input. An input for which it throws is a failed element.</param>
    public InferenceHandler<TInput, TPrediction> WithPreprocess<TInput>(Func<TInput, TExample> preprocess) =>
        new PreprocessHandler<TInput, TExample, TPrediction>(this, preprocess);

    /// <summary>This handler before a function of the predictions. The function that was added first runs first.</summary>
    /// <param name="postprocess">What makes an output of a prediction. A prediction for which it throws makes its element a failed one.</param>
    public InferenceHandler<TExample, TOutput> WithPostprocess<TOutput>(Func<TPrediction, TOutput> postprocess) =>
        new PostprocessHandler<TExample, TPrediction, TOutput>(this, postprocess);

    /// <summary>
    /// This handler for elements that are batches already: the model gets each as it is, and its predictions come out as one list. Here the
    /// element, and so what fails, is the batch.
    /// </summary>
    public InferenceHandler<IReadOnlyList<TExample>, IReadOnlyList<TPrediction>> WithNoBatching() => new NoBatchingHandler<TExample, TPrediction>(this);

    /// <summary>The handler's name in messages.</summary>
    internal virtual string DisplayName
    {
        get
        {
            var name = GetType().Name;
            var arity = name.IndexOf('`', StringComparison.Ordinal);
            return arity < 0 ? name : name[..arity];
        }
    }

    /// <summary>The handler as it goes to the workers.</summary>
    internal abstract BoundHandler<TExample, TPrediction> Bind(CoderRegistry coders, string transformName);
}
