using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Protocol;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>What all endpoints share.</summary>
internal sealed class ServerContext : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();

    public ServerContext(LlmEngine engine, ServerOptions options)
    {
        (Engine, Options) = (engine, options);
        Models = new ServedModels(engine, options);
        Admission = new Admission(options.MaxConcurrentSequences);
        Prompts = new PromptEncoder(engine);
        Chat = new ChatRenderer(engine, options);
    }

    public LlmEngine Engine { get; }

    public ServerOptions Options { get; }

    public ServedModels Models { get; }

    public Admission Admission { get; }

    public PromptEncoder Prompts { get; }

    public ChatRenderer Chat { get; }

    public DateTimeOffset Started { get; } = DateTimeOffset.UtcNow;

    /// <summary>Canceled when the server no longer waits for requests that are under way.</summary>
    public CancellationToken Stopping => _stopping.Token;

    public void Stop() => _stopping.Cancel();

    public void Dispose() => _stopping.Dispose();
}
