using Beam.ML.Vllm.Arguments;
using Beam.ML.Vllm.Engine;

namespace Beam.ML.Vllm;

/// <summary>Completes prompts: <c>prompts.RunInference(new VllmCompletionsModelHandler("google/gemma-2b-it"))</c>.</summary>
public sealed class VllmCompletionsModelHandler : VllmModelHandler<string>
{
    /// <summary>A model with the engine's default options.</summary>
    /// <param name="modelName">A checkpoint folder, or a hub id that is in the local Hugging Face cache.</param>
    public VllmCompletionsModelHandler(string modelName) : this(new EngineOptions { Model = modelName }) { }

    /// <summary>A model and vLLM's engine arguments.</summary>
    /// <param name="modelName">A checkpoint folder, or a hub id that is in the local Hugging Face cache.</param>
    /// <param name="vllmServerKwargs">Names such as <c>max-num-seqs</c> and their values, as <see cref="EngineArguments"/> takes them.</param>
    /// <exception cref="PipelineConstructionException">An argument is unknown or wrong.</exception>
    public VllmCompletionsModelHandler(string modelName, IReadOnlyDictionary<string, object?> vllmServerKwargs)
        : this(OptionsOf(modelName, vllmServerKwargs, nameof(VllmCompletionsModelHandler))) { }

    /// <summary>A model and how its engine is set up.</summary>
    /// <exception cref="PipelineConstructionException">An option is out of its range.</exception>
    public VllmCompletionsModelHandler(EngineOptions options) : base(options) { }

    /// <summary>A model that a server answers for.</summary>
    /// <param name="modelName">The model as the server knows it; for a server that is started, what it is to load.</param>
    /// <param name="server">The server.</param>
    /// <exception cref="PipelineConstructionException">An option is out of its range.</exception>
    public VllmCompletionsModelHandler(string modelName, VllmServerOptions server) : base(new EngineOptions { Model = modelName }, server) { }

    private protected override ModelRequest RequestOf(string example) => new() { Prompt = Prompts.Check(example) };
}

/// <summary>Completes prompts that may have parameters of their own.</summary>
public sealed class VllmRequestsModelHandler : VllmModelHandler<CompletionRequest>
{
    /// <summary>A model with the engine's default options.</summary>
    /// <param name="modelName">A checkpoint folder, or a hub id that is in the local Hugging Face cache.</param>
    public VllmRequestsModelHandler(string modelName) : this(new EngineOptions { Model = modelName }) { }

    /// <summary>A model and vLLM's engine arguments.</summary>
    /// <param name="modelName">A checkpoint folder, or a hub id that is in the local Hugging Face cache.</param>
    /// <param name="vllmServerKwargs">Names such as <c>max-num-seqs</c> and their values, as <see cref="EngineArguments"/> takes them.</param>
    /// <exception cref="PipelineConstructionException">An argument is unknown or wrong.</exception>
    public VllmRequestsModelHandler(string modelName, IReadOnlyDictionary<string, object?> vllmServerKwargs)
        : this(OptionsOf(modelName, vllmServerKwargs, nameof(VllmRequestsModelHandler))) { }

    /// <summary>A model and how its engine is set up.</summary>
    /// <exception cref="PipelineConstructionException">An option is out of its range.</exception>
    public VllmRequestsModelHandler(EngineOptions options) : base(options) { }

    /// <summary>A model that a server answers for.</summary>
    /// <param name="modelName">The model as the server knows it; for a server that is started, what it is to load.</param>
    /// <param name="server">The server.</param>
    /// <exception cref="PipelineConstructionException">An option is out of its range.</exception>
    public VllmRequestsModelHandler(string modelName, VllmServerOptions server) : base(new EngineOptions { Model = modelName }, server) { }

    private protected override ModelRequest RequestOf(CompletionRequest example) => new() { Prompt = Prompts.Check(example.Prompt), Own = example };
}

/// <summary>What a prompt must be, whatever the model.</summary>
internal static class Prompts
{
    /// <summary>The prompt itself.</summary>
    /// <exception cref="InvalidRequestException">There is nothing in it.</exception>
    public static string Check(string prompt) =>
        string.IsNullOrEmpty(prompt) ? throw new InvalidRequestException("The prompt cannot be empty.") : prompt;
}
