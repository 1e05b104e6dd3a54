using Beam.ML.Inference;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm;

/// <summary>The engine in this process.</summary>
internal sealed class EngineModel(LlmEngine engine, ChatTemplate? template) : VllmModel
{
    // The arguments of a transform are one object for all of its elements, and so are the parameters that they stand for.
    private volatile Tuple<InferenceArgs, SamplingParams>? _lastParameters;

    public override string Name => engine.ModelName;

    public override int? MaxModelLength => engine.MaxModelLength;

    internal override long? Progress => engine.Stats.Steps;

    /// <summary>The argument that is none of sampling: the name of an adapter, as a request to a server gives it.</summary>
    private const string ModelArgument = "model";

    public static SamplingParams ToParameters(InferenceArgs args, SamplingParams defaults) =>
        SamplingParams.FromDictionary(args.Where(arg => arg.Key != ModelArgument).ToDictionary(arg => arg.Key, arg => arg.Value), defaults);

    internal override async Task<Completion> CompleteAsync(ModelRequest request, InferenceArgs args, CancellationToken cancellationToken)
    {
        var parameters = Override(ParametersOf(args), request.Own);
        var priority = request.Own?.Priority ?? 0;
        var lora = Adapter(request.Own?.Model ?? args[ModelArgument] as string);
        var output = request.Messages is { } messages
            // The template writes the special tokens, the one at the beginning too.
            ? await engine.CompleteAsync(engine.Tokenizer!.Encode(template!.Render(messages), addSpecialTokens: false), parameters, lora: lora, cancellationToken: cancellationToken)
            : await engine.CompleteAsync(request.Prompt!, parameters, priority: priority, lora: lora, cancellationToken: cancellationToken);
        var (completion, metrics) = (output.Outputs[0], output.Metrics);
        return new Completion(
            completion.Text, completion.FinishReason ?? "abort", completion.StopReason?.ToString(), metrics.PromptTokens, metrics.OutputTokens, metrics.CachedTokens,
            metrics.QueueTime ?? TimeSpan.Zero, metrics.TimeToFirstToken ?? TimeSpan.Zero, metrics.MeanBatchSize, completion.TokenIds);
    }

    public override ValueTask DisposeAsync() => engine.DisposeAsync();

    private LoraRequest? Adapter(string? name) =>
        string.IsNullOrEmpty(name) || name == engine.ModelName ? null
        : engine.FindLora(name) ?? throw new InvalidRequestException(
            $"The model '{name}' does not exist; there is {string.Join(", ", engine.ListLoras().Select(l => l.Name).Prepend(engine.ModelName))}.");

    private SamplingParams ParametersOf(InferenceArgs args)
    {
        var last = _lastParameters;
        if (last is null || !ReferenceEquals(last.Item1, args)) _lastParameters = last = Tuple.Create(args, ToParameters(args, engine.DefaultSamplingParams));
        return last.Item2;
    }

    private static SamplingParams Override(SamplingParams parameters, CompletionRequest? own) => own is null ? parameters : parameters with
    {
        MaxTokens = own.MaxTokens ?? parameters.MaxTokens,
        MinTokens = own.MinTokens ?? parameters.MinTokens,
        Temperature = own.Temperature ?? parameters.Temperature,
        TopP = own.TopP ?? parameters.TopP,
        TopK = own.TopK ?? parameters.TopK,
        Seed = own.Seed ?? parameters.Seed,
        Stop = own.Stop ?? parameters.Stop,
        IgnoreEos = own.IgnoreEos ?? parameters.IgnoreEos,
    };
}
