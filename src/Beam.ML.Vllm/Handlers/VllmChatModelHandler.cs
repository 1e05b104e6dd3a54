using Beam.ML.Inference;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm;

/// <summary>Answers conversations, which the model's chat template turns into prompts.</summary>
public sealed class VllmChatModelHandler : VllmModelHandler<IReadOnlyList<ChatMessage>>
{
    private readonly string? chatTemplatePath;

    [Transient]
    private volatile ChatTemplate? template;

    /// <summary>A model with the engine's default options.</summary>
    /// <param name="modelName">A checkpoint folder, or a hub id that is in the local Hugging Face cache.</param>
    /// <param name="chatTemplatePath">A file with a Jinja template; null for the model's own.</param>
    public VllmChatModelHandler(string modelName, string? chatTemplatePath = null) : this(new EngineOptions { Model = modelName }, chatTemplatePath) { }

    /// <summary>A model and how its engine is set up.</summary>
    /// <param name="options">The engine.</param>
    /// <param name="chatTemplatePath">A file with a Jinja template; null for the model's own.</param>
    /// <exception cref="PipelineConstructionException">An option is out of its range.</exception>
    public VllmChatModelHandler(EngineOptions options, string? chatTemplatePath = null) : base(options) => this.chatTemplatePath = chatTemplatePath;

    private protected override void Prepare(LlmEngine engine) =>
        template = ChatTemplate.Load(engine.ModelFolderPath, chatTemplatePath) ?? throw new ModelLoadException(
            $"'{engine.ModelFolderPath}' has no chat template; give the handler one, or complete prompts with {nameof(VllmCompletionsModelHandler)}.");

    private protected override Task<RequestOutput> CompleteAsync(
        IReadOnlyList<ChatMessage> example, LlmEngine engine, SamplingParams parameters, CancellationToken cancellationToken)
    {
        if (example.Count == 0) throw new InvalidRequestException("The conversation has no message.");
        // The template writes the special tokens, the one at the beginning too.
        var prompt = template!.Render(example);
        var tokens = engine.Tokenizer!.Encode(prompt, addSpecialTokens: false);
        return engine.CompleteAsync(tokens, parameters, cancellationToken: cancellationToken);
    }
}
