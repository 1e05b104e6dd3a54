using Beam.Metrics;
using Beam.ML.Inference;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm;

/// <summary>
/// A language model behind the continuous-batching engine. One process of each machine hosts it for all workers
/// (<c>ModelCopies</c> of them, to be exact), and every element is a request of its own that joins the engine's batch as it arrives.
/// </summary>
/// <remarks>
/// Inference arguments are vLLM's sampling parameters by their names (<c>max_tokens</c>, by default 16, <c>temperature</c>, <c>top_p</c>,
/// <c>stop</c>, …); what they leave open, the model's generation_config.json says.
/// </remarks>
/// <typeparam name="TExample">What a request is made from.</typeparam>
public abstract class VllmModelHandler<TExample> : ElementwiseModelHandler<TExample, PredictionResult<TExample, Completion>, LlmEngine>
{
    private readonly EngineOptions options;

    // The arguments of a transform are one object for all of its elements, and so are the parameters that they stand for.
    [Transient]
    private volatile Tuple<InferenceArgs, SamplingParams>? lastParameters;

    private protected VllmModelHandler(EngineOptions options)
    {
        try
        {
            options.Validate();
        }
        catch (ArgumentException e)
        {
            throw new PipelineConstructionException($"{GetType().Name}: {e.Message}", e);
        }

        this.options = options;
    }

    /// <summary>How the engine is set up. Where it names no number of threads, a copy gets its part of the processors, but for one that is the workers' if there are four or more.</summary>
    public EngineOptions EngineOptions => options;

    /// <inheritdoc/>
    public sealed override bool ShareModelAcrossProcesses => true;

    /// <inheritdoc/>
    public override string MetricsNamespace => "BeamML_vLLM";

    /// <inheritdoc/>
    public override string ModelName => $"The model '{options.ServedModelName ?? options.Model}'";

    /// <inheritdoc/>
    public sealed override void ValidateInferenceArgs(InferenceArgs args)
    {
        var parameters = ToParameters(args, new SamplingParams());
        RequestCheck.Check(parameters, hasTokenizer: !options.SkipTokenizerInit);
        if (parameters.N != 1) throw new InvalidRequestException($"n must be 1, got {parameters.N}: each element has one completion; best_of chooses it from several.");
    }

    /// <inheritdoc/>
    public sealed override Task<LlmEngine> LoadModelAsync(CancellationToken cancellationToken) => LoadAsync(options, cancellationToken);

    /// <inheritdoc/>
    public sealed override async Task<LlmEngine> LoadModelAsync(ModelLoadContext context, CancellationToken cancellationToken)
    {
        var own = options with { MemoryUtilization = options.MemoryUtilization / context.Copies };
        if (options.MaxModelLength is not null) return await LoadAsync(own, cancellationToken);
        if (AgreedModelLength.Read(context.Folder) is { } agreed) return await LoadAgreedAsync(agreed);
        var engine = await LoadAsync(own, cancellationToken);
        agreed = AgreedModelLength.Propose(context.Folder, engine.MaxModelLength);
        if (agreed == engine.MaxModelLength) return engine;
        await engine.DisposeAsync();
        return await LoadAgreedAsync(agreed);

        async Task<LlmEngine> LoadAgreedAsync(int length)
        {
            try
            {
                return await LoadAsync(own with { MaxModelLength = length }, cancellationToken);
            }
            catch (ArgumentException e)
            {
                // It did fit once, and may again: no reason to give the model up.
                throw new InvalidOperationException(e.Message, e);
            }
        }
    }

    /// <inheritdoc/>
    public sealed override async Task<PredictionResult<TExample, Completion>> RunInferenceAsync(
        TExample example, LlmEngine model, InferenceArgs inferenceArgs, CancellationToken cancellationToken)
    {
        var output = await CompleteAsync(example, model, ParametersOf(inferenceArgs, model), cancellationToken);
        var (completion, metrics) = (output.Outputs[0], output.Metrics);
        return new PredictionResult<TExample, Completion>(example, new Completion(
            completion.Text, completion.FinishReason ?? "abort", completion.StopReason?.ToString(), metrics.PromptTokens, metrics.OutputTokens,
            metrics.CachedTokens, metrics.QueueTime ?? TimeSpan.Zero, metrics.TimeToFirstToken ?? TimeSpan.Zero, metrics.MeanBatchSize,
            completion.TokenIds), model.ModelName);
    }

    /// <inheritdoc/>
    public sealed override bool IsModelBroken(Exception exception) => exception is EngineDeadException;

    /// <inheritdoc/>
    public sealed override long? GetProgress(LlmEngine model) => model.Stats.Steps;

    // From four processors on, the workers that feed the engine keep one for themselves.
    private static int DefaultThreads => Environment.ProcessorCount < 4 ? Environment.ProcessorCount : Environment.ProcessorCount - 1;

    private async Task<LlmEngine> LoadAsync(EngineOptions own, CancellationToken cancellationToken)
    {
        LlmEngine? engine = null;
        try
        {
            engine = await LlmEngine.LoadAsync(own with { NumThreads = own.NumThreads ?? DefaultThreads }, cancellationToken);
            Prepare(engine);
            return engine;
        }
        catch (Exception e)
        {
            if (engine is not null) await engine.DisposeAsync();
            // What is wrong with the model's files stays wrong.
            if (e is Weights.ModelLoadException or TokenizerException) throw new Inference.ModelLoadException(e.Message, e);
            throw;
        }
    }

    /// <summary>Loads what the handler needs beside the engine.</summary>
    private protected virtual void Prepare(LlmEngine engine) { }

    /// <summary>Has the engine answer one example.</summary>
    private protected abstract Task<RequestOutput> CompleteAsync(
        TExample example, LlmEngine engine, SamplingParams parameters, CancellationToken cancellationToken);

    /// <inheritdoc/>
    protected sealed override void ReportMetrics(PredictionResult<TExample, Completion> prediction, string metricsNamespace)
    {
        var completion = prediction.Inference;
        Metric.Counter(metricsNamespace, InferenceMetricNames.PromptTokens).Inc(completion.PromptTokens);
        Metric.Counter(metricsNamespace, InferenceMetricNames.CachedTokens).Inc(completion.CachedTokens);
        Metric.Counter(metricsNamespace, InferenceMetricNames.OutputTokens).Inc(completion.OutputTokens);
        Metric.Distribution(metricsNamespace, InferenceMetricNames.QueueTime).Update((long)completion.QueueTime.TotalMicroseconds);
        Metric.Distribution(metricsNamespace, InferenceMetricNames.TimeToFirstToken).Update((long)completion.TimeToFirstToken.TotalMicroseconds);
        Metric.Distribution(metricsNamespace, InferenceMetricNames.EngineBatchSize)
            .Update((long)Math.Round(completion.MeanBatchSize * InferenceMetricNames.EngineBatchSizeScale));
    }

    private SamplingParams ParametersOf(InferenceArgs args, LlmEngine engine)
    {
        var last = lastParameters;
        if (last is null || !ReferenceEquals(last.Item1, args)) lastParameters = last = Tuple.Create(args, ToParameters(args, engine.DefaultSamplingParams));
        return last.Item2;
    }

    private static SamplingParams ToParameters(InferenceArgs args, SamplingParams defaults) =>
        SamplingParams.FromDictionary(args.ToDictionary(arg => arg.Key, arg => arg.Value), defaults);
}
