using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm;

/// <summary>Completes prompts: <c>prompts.RunInference(new VllmCompletionsModelHandler("google/gemma-2b-it"))</c>.</summary>
public sealed class VllmCompletionsModelHandler : VllmModelHandler<string>
{
    /// <summary>A model with the engine's default options.</summary>
    /// <param name="modelName">A checkpoint folder, or a hub id that is in the local Hugging Face cache.</param>
    public VllmCompletionsModelHandler(string modelName) : this(new EngineOptions { Model = modelName }) { }

    /// <summary>A model and how its engine is set up.</summary>
    /// <exception cref="PipelineConstructionException">An option is out of its range.</exception>
    public VllmCompletionsModelHandler(EngineOptions options) : base(options) { }

    private protected override Task<RequestOutput> CompleteAsync(
        string example, LlmEngine engine, SamplingParams parameters, CancellationToken cancellationToken) =>
        engine.CompleteAsync(Prompts.Check(example), parameters, cancellationToken: cancellationToken);
}

/// <summary>Completes prompts that may have parameters of their own.</summary>
public sealed class VllmRequestsModelHandler : VllmModelHandler<CompletionRequest>
{
    /// <summary>A model with the engine's default options.</summary>
    /// <param name="modelName">A checkpoint folder, or a hub id that is in the local Hugging Face cache.</param>
    public VllmRequestsModelHandler(string modelName) : this(new EngineOptions { Model = modelName }) { }

    /// <summary>A model and how its engine is set up.</summary>
    /// <exception cref="PipelineConstructionException">An option is out of its range.</exception>
    public VllmRequestsModelHandler(EngineOptions options) : base(options) { }

    private protected override Task<RequestOutput> CompleteAsync(
        CompletionRequest example, LlmEngine engine, SamplingParams parameters, CancellationToken cancellationToken)
    {
        var own = parameters with
        {
            MaxTokens = example.MaxTokens ?? parameters.MaxTokens,
            MinTokens = example.MinTokens ?? parameters.MinTokens,
            Temperature = example.Temperature ?? parameters.Temperature,
            TopP = example.TopP ?? parameters.TopP,
            TopK = example.TopK ?? parameters.TopK,
            Seed = example.Seed ?? parameters.Seed,
            Stop = example.Stop ?? parameters.Stop,
            IgnoreEos = example.IgnoreEos ?? parameters.IgnoreEos,
        };
        return engine.CompleteAsync(Prompts.Check(example.Prompt), own, priority: example.Priority, cancellationToken: cancellationToken);
    }
}

/// <summary>What a prompt must be, whatever the model.</summary>
internal static class Prompts
{
    /// <summary>The prompt itself.</summary>
    /// <exception cref="InvalidRequestException">There is nothing in it.</exception>
    public static string Check(string prompt) =>
        string.IsNullOrEmpty(prompt) ? throw new InvalidRequestException("The prompt cannot be empty.") : prompt;
}
