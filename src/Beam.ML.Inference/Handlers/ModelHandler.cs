using Beam.Coders;
using Beam.ML.Inference.Clients;
using Beam.ML.Inference.Hosting;
using Beam.Serialization;

namespace Beam.ML.Inference;

/// <summary>How a model is loaded and asked. Derive from it to put a model in a pipeline.</summary>
/// <remarks>
/// <para>Every worker process loads the model for itself, once, unless it is shared: then one process of its own on each machine
/// (<see cref="ModelSharing.Copies"/> of them, to be exact) hosts it, and the workers send their batches there.</para>
/// <para>Several bundles may call <see cref="RunInferenceAsync"/> at a time. Inference must be idempotent: a batch whose worker or host
/// died is run again.</para>
/// </remarks>
/// <typeparam name="TExample">What the model is given.</typeparam>
/// <typeparam name="TPrediction">What it answers to each example; often a <see cref="PredictionResult{TExample,TInference}"/>.</typeparam>
/// <typeparam name="TModel">The loaded model; disposed at the end if it is <see cref="IAsyncDisposable"/> or <see cref="IDisposable"/>.</typeparam>
public abstract class ModelHandler<TExample, TPrediction, TModel> : InferenceHandler<TExample, TPrediction>
{
    /// <summary>Whether the model is too large for each worker process to load it: it is shared then.</summary>
    public bool LargeModel { get; init; }

    /// <summary>How many copies of the model a machine gets. Setting it means that the model is shared.</summary>
    public int? ModelCopies { get; init; }

    /// <summary>Environment variables of the process that loads the model.</summary>
    public IReadOnlyDictionary<string, string> EnvironmentVariables { get; init; } = new Dictionary<string, string>();

    /// <summary>Limits and patience where the model is shared.</summary>
    public ModelSharing Sharing { get; init; } = new();

    /// <summary>Whether the workers of a machine share the model's hosts. Default: if the model is large, or has a number of copies.</summary>
    public virtual bool ShareModelAcrossProcesses => LargeModel || ModelCopies is not null;

    /// <summary>How examples travel to a host; null (default) for the coder of their type.</summary>
    public virtual Coder<TExample>? ExampleCoder => null;

    /// <summary>How predictions travel from a host; null (default) for the coder of their type.</summary>
    public virtual Coder<TPrediction>? PredictionCoder => null;

    /// <summary>What the model is called in messages and in the metrics. Default: the handler's name.</summary>
    public virtual string ModelName => DisplayName;

    /// <summary>
    /// Loads the model. <see cref="ModelLoadException"/>, <see cref="InvalidDataException"/>, <see cref="FileNotFoundException"/>,
    /// <see cref="DirectoryNotFoundException"/> and <see cref="ArgumentException"/> mean that it cannot be loaded, and fail the job with their
    /// message; after any other exception a shared model is tried again (<see cref="ModelSharing.MaxLoadCrashes"/>).
    /// </summary>
    public abstract Task<TModel> LoadModelAsync(CancellationToken cancellationToken);

    /// <summary>Loads the model in one of the processes that host it for others. Default: as anywhere else.</summary>
    public virtual Task<TModel> LoadModelAsync(ModelLoadContext context, CancellationToken cancellationToken) => LoadModelAsync(cancellationToken);

    /// <summary>Asks the model.</summary>
    /// <param name="batch">At least one example.</param>
    /// <param name="model">What <c>LoadModelAsync</c> gave.</param>
    /// <param name="inferenceArgs">The arguments of the transform, which <see cref="InferenceHandler{TExample,TPrediction}.ValidateInferenceArgs"/> let pass.</param>
    /// <param name="cancellationToken">Cancelled when nobody waits for the answer any more.</param>
    /// <returns>
    /// One prediction for each example, in order. If it throws, the batch is halved until the examples that the model does not take are
    /// alone: only they fail.
    /// </returns>
    public abstract Task<IReadOnlyList<TPrediction>> RunInferenceAsync(
        IReadOnlyList<TExample> batch, TModel model, InferenceArgs inferenceArgs, CancellationToken cancellationToken);

    /// <summary>The size of a batch in bytes, for the metrics. Null (default): as much as its examples take when they are encoded.</summary>
    public virtual long? GetNumBytes(IReadOnlyList<TExample> batch) => null;

    /// <summary>
    /// Whether an exception of <see cref="RunInferenceAsync"/> means that the model is of no use any more. The host of a shared model is
    /// replaced then, and its requests are asked again. Default: never.
    /// </summary>
    public virtual bool IsModelBroken(Exception exception) => false;

    /// <summary>
    /// A number that grows while the model works on requests (its steps, say), by which a model that hangs is found. Called at any time, from
    /// any thread. Default: null, nobody knows.
    /// </summary>
    public virtual long? GetProgress(TModel model) => null;

    /// <summary>The outcome of each example; what is thrown is the whole batch's.</summary>
    internal virtual async Task<Outcome<TPrediction>[]> PredictAsync(
        IReadOnlyList<TExample> batch, TModel model, InferenceArgs inferenceArgs, CancellationToken cancellationToken)
    {
        var predictions = await RunInferenceAsync(batch, model, inferenceArgs, cancellationToken);
        if (predictions.Count != batch.Count)
            throw new InvalidOperationException($"{DisplayName} gave {predictions.Count} predictions for {batch.Count} examples.");
        return [.. predictions.Select(Outcome<TPrediction>.Of)];
    }

    /// <summary>Reports metrics of a handler's own, for a prediction that arrived. Called in the worker's bundle.</summary>
    /// <param name="prediction">The prediction.</param>
    /// <param name="metricsNamespace">The namespace of the transform's metrics.</param>
    protected internal virtual void ReportMetrics(TPrediction prediction, string metricsNamespace) { }

    internal sealed override BoundHandler<TExample, TPrediction> Bind(CoderRegistry coders, string transformName)
    {
        Sharing.Validate();
        if (ModelCopies is { } copies and (< 1 or > 64)) throw new PipelineConstructionException($"model_copies must be from 1 to 64, not {copies}.");
        var exampleCoder = ExampleCoder ?? CoderOf<TExample>("examples");
        var predictionCoder = PredictionCoder ?? CoderOf<TPrediction>("predictions");
        // The host gets the handler as the workers do; made here, it is the same for all of them.
        var hosted = DotnetPayloads.Serialize(new HostedHandler<TExample, TPrediction, TModel>(this, exampleCoder, predictionCoder), $"transform '{transformName}'");
        return new BoundModel<TExample, TPrediction, TModel>(this, exampleCoder, predictionCoder, hosted.ToByteArray());

        Coder<T> CoderOf<T>(string what)
        {
            try
            {
                return coders.Get<T>();
            }
            catch (CoderNotFoundException e)
            {
                throw new PipelineConstructionException($"The {what} of {DisplayName} in transform '{transformName}' have no coder: {e.Message}", e);
            }
        }
    }
}
