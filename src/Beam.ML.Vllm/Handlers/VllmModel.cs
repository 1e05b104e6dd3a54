using Beam.ML.Inference;
using Beam.ML.Vllm.Chat;

namespace Beam.ML.Vllm;

/// <summary>What a handler asks: this library's engine in the process that hosts it, or a server.</summary>
public abstract class VllmModel : IAsyncDisposable
{
    private protected VllmModel()
    {
    }

    /// <summary>The name that predictions carry.</summary>
    public abstract string Name { get; }

    /// <summary>The longest sequence, prompt and output together, in tokens; null if nobody says.</summary>
    public abstract int? MaxModelLength { get; }

    /// <summary>A number that grows while the model works; null if nobody says.</summary>
    internal abstract long? Progress { get; }

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    internal abstract Task<Completion> CompleteAsync(ModelRequest request, InferenceArgs args, CancellationToken cancellationToken);
}

/// <summary>One element: a prompt, or a conversation, perhaps with parameters of its own.</summary>
internal sealed record ModelRequest
{
    public string? Prompt { get; init; }

    public IReadOnlyList<ChatMessage>? Messages { get; init; }

    public CompletionRequest? Own { get; init; }
}
