using Beam.ML.Inference;
using Beam.ML.Vllm.Arguments;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;

namespace Beam.ML.Vllm;

/// <summary>Answers conversations, which the model's chat template turns into prompts.</summary>
public sealed class VllmChatModelHandler : VllmModelHandler<IReadOnlyList<ChatMessage>>
{
    private readonly string? chatTemplatePath;

    /// <summary>A model with the engine's default options.</summary>
    /// <param name="modelName">A checkpoint folder, or a hub id that is in the local Hugging Face cache.</param>
    /// <param name="chatTemplatePath">A file with a Jinja template; null for the model's own.</param>
    public VllmChatModelHandler(string modelName, string? chatTemplatePath = null) : this(new EngineOptions { Model = modelName }, chatTemplatePath) { }

    /// <summary>A model and vLLM's engine arguments.</summary>
    /// <param name="modelName">A checkpoint folder, or a hub id that is in the local Hugging Face cache.</param>
    /// <param name="vllmServerKwargs">Names such as <c>max-num-seqs</c> and their values, as <see cref="EngineArguments"/> takes them.</param>
    /// <param name="chatTemplatePath">A file with a Jinja template; null for the model's own.</param>
    /// <exception cref="PipelineConstructionException">An argument is unknown or wrong.</exception>
    public VllmChatModelHandler(string modelName, IReadOnlyDictionary<string, object?> vllmServerKwargs, string? chatTemplatePath = null)
        : this(OptionsOf(modelName, vllmServerKwargs, nameof(VllmChatModelHandler)), chatTemplatePath) { }

    /// <summary>A model and how its engine is set up.</summary>
    /// <param name="options">The engine.</param>
    /// <param name="chatTemplatePath">A file with a Jinja template; null for the model's own.</param>
    /// <exception cref="PipelineConstructionException">An option is out of its range.</exception>
    public VllmChatModelHandler(EngineOptions options, string? chatTemplatePath = null) : base(options) => this.chatTemplatePath = chatTemplatePath;

    /// <summary>A model that a server answers for, with the template that the server has (the argument <c>chat-template</c> of one that is started).</summary>
    /// <param name="modelName">The model as the server knows it; for a server that is started, what it is to load.</param>
    /// <param name="server">The server.</param>
    /// <exception cref="PipelineConstructionException">An option is out of its range.</exception>
    public VllmChatModelHandler(string modelName, VllmServerOptions server) : base(new EngineOptions { Model = modelName }, server) { }

    private protected override ChatTemplate LoadTemplate(LlmEngine engine) =>
        ChatTemplate.Load(engine.ModelFolderPath, chatTemplatePath) ?? throw new ModelLoadException(
            $"'{engine.ModelFolderPath}' has no chat template; give the handler one, or complete prompts with {nameof(VllmCompletionsModelHandler)}.");

    private protected override ModelRequest RequestOf(IReadOnlyList<ChatMessage> example) =>
        example.Count == 0 ? throw new InvalidRequestException("The conversation has no message.") : new() { Messages = example };
}
