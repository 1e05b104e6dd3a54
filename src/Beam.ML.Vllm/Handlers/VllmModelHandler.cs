using Beam.Metrics;
using Beam.ML.Inference;
using Beam.ML.Vllm.Arguments;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm;

/// <summary>
/// A language model behind the continuous-batching engine, or behind a server (<see cref="VllmServerOptions"/>). One process of each machine
/// hosts it for all workers (<c>ModelCopies</c> of them, to be exact), and every element is a request of its own that joins the engine's
/// batch as it arrives.
/// </summary>
/// <remarks>
/// Inference arguments are vLLM's sampling parameters by their names (<c>max_tokens</c>, by default 16, <c>temperature</c>, <c>top_p</c>,
/// <c>stop</c>, …); what they leave open, the model's generation_config.json says. <c>model</c> names a LoRA adapter, one of those that the
/// engine has as <c>lora_modules</c>.
/// </remarks>
/// <typeparam name="TExample">What a request is made from.</typeparam>
public abstract class VllmModelHandler<TExample> : ElementwiseModelHandler<TExample, PredictionResult<TExample, Completion>, VllmModel>
{
    private readonly EngineOptions options;
    private readonly VllmServerOptions? server;

    private protected VllmModelHandler(EngineOptions options, VllmServerOptions? server = null)
    {
        try
        {
            options.Validate();
            server?.Validate();
        }
        catch (ArgumentException e)
        {
            throw new PipelineConstructionException($"{GetType().Name}: {e.Message}", e);
        }

        // Its examples are text, and so are its predictions.
        if (server is null && options.SkipTokenizerInit)
            throw new PipelineConstructionException($"{GetType().Name} needs the model's tokenizer: leave skip_tokenizer_init out.");
        (this.options, this.server) = (options, server);
    }

    /// <summary>How the engine is set up. Where it names no number of threads, a copy gets its part of the processors, but for one that is the workers' if there are four or more.</summary>
    public EngineOptions EngineOptions => options;

    /// <inheritdoc/>
    public sealed override bool ShareModelAcrossProcesses => true;

    /// <inheritdoc/>
    public override string MetricsNamespace => "BeamML_vLLM";

    /// <inheritdoc/>
    public override string ModelName => $"The model '{options.ServedModelName ?? options.Model}'";

    /// <summary>The server that answers instead of the engine; null for the engine.</summary>
    public VllmServerOptions? Server => server;

    /// <inheritdoc/>
    public sealed override void ValidateInferenceArgs(InferenceArgs args)
    {
        if (server is null)
        {
            var parameters = EngineModel.ToParameters(args, new SamplingParams());
            RequestCheck.Check(parameters, hasTokenizer: true);
            if (parameters.N != 1) throw new InvalidRequestException($"n must be 1, got {parameters.N}: each element has one completion; best_of chooses it from several.");
            return;
        }

        // What a server knows is for it to say; these would change what its answers are.
        if (args.Names.FirstOrDefault(ServerModel.OwnFields.Contains) is { } own) throw new ArgumentException($"The inference argument '{own}' is the handler's to give.");
    }

    /// <inheritdoc/>
    public sealed override Task<VllmModel> LoadModelAsync(CancellationToken cancellationToken) => LoadAsync(options, cancellationToken);

    /// <inheritdoc/>
    public sealed override async Task<VllmModel> LoadModelAsync(ModelLoadContext context, CancellationToken cancellationToken)
    {
        var own = options with { MemoryUtilization = options.MemoryUtilization / context.Copies };
        if (server is not null || options.MaxModelLength is not null) return await LoadAsync(own, cancellationToken);
        if (AgreedModelLength.Read(context.Folder) is { } agreed) return await LoadAgreedAsync(agreed);
        var engine = await LoadAsync(own, cancellationToken);
        agreed = AgreedModelLength.Propose(context.Folder, engine.MaxModelLength!.Value);
        if (agreed == engine.MaxModelLength) return engine;
        await engine.DisposeAsync();
        return await LoadAgreedAsync(agreed);

        async Task<VllmModel> LoadAgreedAsync(int length)
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
        TExample example, VllmModel model, InferenceArgs inferenceArgs, CancellationToken cancellationToken) =>
        new(example, await model.CompleteAsync(RequestOf(example), inferenceArgs, cancellationToken), model.Name);

    /// <inheritdoc/>
    public sealed override bool IsModelBroken(Exception exception) => exception is EngineDeadException;

    /// <inheritdoc/>
    public sealed override long? GetProgress(VllmModel model) => model.Progress;

    // From four processors on, the workers that feed the engine keep one for themselves.
    private static int DefaultThreads => Environment.ProcessorCount < 4 ? Environment.ProcessorCount : Environment.ProcessorCount - 1;

    private async Task<VllmModel> LoadAsync(EngineOptions own, CancellationToken cancellationToken)
    {
        if (server is not null) return await ServerModel.LoadAsync(options.Model, server, Console.Error.WriteLine, cancellationToken);
        LlmEngine? engine = null;
        try
        {
            engine = await LlmEngine.LoadAsync(own.CpuThreadsBind is null ? own with { NumThreads = own.NumThreads ?? DefaultThreads } : own, cancellationToken);
            return new EngineModel(engine, LoadTemplate(engine));
        }
        catch (Exception e)
        {
            if (engine is not null) await engine.DisposeAsync();
            // What is wrong with the model's files stays wrong.
            if (e is Weights.ModelLoadException or TokenizerException) throw new Inference.ModelLoadException(e.Message, e);
            throw;
        }
    }

    /// <summary>The template of conversations, where the handler's examples are any.</summary>
    private protected virtual ChatTemplate? LoadTemplate(LlmEngine engine) => null;

    /// <summary>What to ask for an example.</summary>
    /// <exception cref="InvalidRequestException">There is nothing in it.</exception>
    private protected abstract ModelRequest RequestOf(TExample example);

    /// <summary>Options by vLLM's names.</summary>
    private protected static EngineOptions OptionsOf(string modelName, IReadOnlyDictionary<string, object?> vllmServerKwargs, string handler)
    {
        try
        {
            var applied = EngineArguments.Apply(new EngineOptions { Model = modelName }, vllmServerKwargs);
            return applied.Model == modelName ? applied : throw new ArgumentException("The argument 'model' is the handler's to give.");
        }
        catch (ArgumentException e)
        {
            throw new PipelineConstructionException($"{handler}: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    protected sealed override void ReportMetrics(PredictionResult<TExample, Completion> prediction, string metricsNamespace)
    {
        var completion = prediction.Inference;
        Metric.Counter(metricsNamespace, InferenceMetricNames.PromptTokens).Inc(completion.PromptTokens);
        Metric.Counter(metricsNamespace, InferenceMetricNames.CachedTokens).Inc(completion.CachedTokens);
        Metric.Counter(metricsNamespace, InferenceMetricNames.OutputTokens).Inc(completion.OutputTokens);
        // A server does not tell the rest.
        if (server is not null) return;
        Metric.Distribution(metricsNamespace, InferenceMetricNames.QueueTime).Update((long)completion.QueueTime.TotalMicroseconds);
        Metric.Distribution(metricsNamespace, InferenceMetricNames.TimeToFirstToken).Update((long)completion.TimeToFirstToken.TotalMicroseconds);
        Metric.Distribution(metricsNamespace, InferenceMetricNames.EngineBatchSize)
            .Update((long)Math.Round(completion.MeanBatchSize * InferenceMetricNames.EngineBatchSizeScale));
    }
}
