using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>What all endpoints share.</summary>
internal sealed class ServerContext : IDisposable
{
    // Bodies of the greatest length that are in memory at a time.
    private const int LongestBodies = 8;

    private readonly CancellationTokenSource _stopping = new();

    public ServerContext(LlmEngine engine, ServerOptions options)
    {
        (Engine, Options) = (engine, options);
        Models = new ServedModels(engine, options);
        Admission = new Admission(options.MaxConcurrentSequences);
        Bodies = new BodyBudget(LongestBodies * (options.MaxRequestBodySize + 1L), options.MaxRequestBodySize);
        Preparation = new PreparationSlots(Environment.ProcessorCount, options.MaxConcurrentSequences);
        Prompts = new PromptEncoder(engine);
        Chat = new ChatRenderer(engine, options);
    }

    public LlmEngine Engine { get; }

    public ServerOptions Options { get; }

    public ServedModels Models { get; }

    public Admission Admission { get; }

    public BodyBudget Bodies { get; }

    public PreparationSlots Preparation { get; }

    public PromptEncoder Prompts { get; }

    public ChatRenderer Chat { get; }

    public DateTimeOffset Started { get; } = DateTimeOffset.UtcNow;

    /// <summary>Canceled when the server no longer waits for requests that are under way.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>
    /// Has an endpoint read a request: its bytes are in the budget of bodies, and what is made of them has its turn among those of other
    /// requests. Neither is held any longer when this returns.
    /// </summary>
    /// <param name="http">The request.</param>
    /// <param name="read">Makes of the fields what the endpoint needs; the token is cancelled when the client leaves or the server stops.</param>
    /// <exception cref="ApiException">The request is malformed, or there is no room for it now.</exception>
    public async Task<T> ReadAsync<T>(HttpContext http, Func<JsonFields, CancellationToken, T> read)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, Stopping);
        using var body = await RequestBody.ReadAsync(http.Request, Bodies, stop.Token);
        using var turn = await Preparation.EnterAsync(stop.Token);
        using var json = RequestJson.Parse(body.Bytes);
        var fields = JsonFields.OfRequest(json.RootElement);
        var request = read(fields, stop.Token);
        RequestTrace.Of(http).Ignore(fields);
        return request;
    }

    public void Stop() => _stopping.Cancel();

    public void Dispose()
    {
        _stopping.Dispose();
        Preparation.Dispose();
    }
}
