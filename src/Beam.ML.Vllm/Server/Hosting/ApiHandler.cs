using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Endpoints;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>Finds the endpoint of a request, and makes an answer of whatever goes wrong in it.</summary>
internal sealed partial class ApiHandler : IDisposable
{
    private const string RequestIdHeader = "X-Request-Id";

    private readonly Dictionary<string, IEndpoint> _endpoints;
    private readonly ModelsEndpoint _models;
    private readonly ServerContext _server;
    private readonly ApiKeys _keys;
    private readonly Cors _cors;
    private readonly ILogger _logger;
    private readonly AccessLog _access;
    private int _active;

    public ApiHandler(LlmEngine engine, ServerOptions options)
    {
        var loggers = options.LoggerFactory ?? NullLoggerFactory.Instance;
        _logger = loggers.CreateLogger<OpenAIServer>();
        _access = new AccessLog(loggers.CreateLogger(OpenAIServer.AccessLogCategory));
        _server = new ServerContext(engine, options);
        _keys = new ApiKeys(options.ApiKeys);
        _cors = new Cors(options.AllowedOrigins);
        _models = new ModelsEndpoint(_server);
        var health = new HealthEndpoint(engine);
        _endpoints = new Dictionary<string, IEndpoint>(StringComparer.Ordinal)
        {
            ["/health"] = health,
            ["/ping"] = health,
            ["/version"] = new VersionEndpoint(),
            ["/load"] = new LoadEndpoint(_server),
            ["/v1/models"] = _models,
            ["/v1/completions"] = new CompletionsEndpoint(_server),
            ["/v1/chat/completions"] = new ChatCompletionsEndpoint(_server),
            ["/tokenize"] = new TokenizeEndpoint(_server),
            ["/detokenize"] = new DetokenizeEndpoint(_server),
            ["/v1/embeddings"] = new EmbeddingsEndpoint(_server),
            ["/metrics"] = new MetricsEndpoint(_server),
        };
        if (!options.AllowRuntimeLoraUpdating) return;
        _endpoints["/v1/load_lora_adapter"] = new LoadLoraEndpoint(_server);
        _endpoints["/v1/unload_lora_adapter"] = new UnloadLoraEndpoint(_server);
    }

    /// <summary>Requests that are being answered.</summary>
    public int ActiveRequests => Volatile.Read(ref _active);

    public async Task HandleAsync(HttpContext http)
    {
        var trace = RequestTrace.Begin(http);
        if (_server.Options.EnableRequestIdHeaders) http.Response.Headers[RequestIdHeader] = IdFor(http.Request);
        Interlocked.Increment(ref _active);
        try
        {
            await AnswerAsync(http);
        }
        finally
        {
            Interlocked.Decrement(ref _active);
            _access.Write(http, trace);
        }
    }

    private async Task AnswerAsync(HttpContext http)
    {
        try
        {
            if (_cors.Handle(http)) return;
            _keys.Check(http.Request);
            var endpoint = Find(http.Request);
            if (!endpoint.Methods.Contains(http.Request.Method))
            {
                http.Response.Headers.Allow = string.Join(", ", endpoint.Methods);
                throw new ApiException(StatusCodes.Status405MethodNotAllowed, "MethodNotAllowedError", $"{http.Request.Path} takes {string.Join(" or ", endpoint.Methods)}, not {http.Request.Method}.");
            }

            await endpoint.HandleAsync(http);
        }
        catch (Exception e) when (e is ClientGoneException || (e is OperationCanceledException or IOException && http.RequestAborted.IsCancellationRequested))
        {
            // The client is gone, or the server's patience with it is.
            RequestTrace.Of(http).IsAborted = true;
        }
        catch (OperationCanceledException) when (_server.Stopping.IsCancellationRequested)
        {
            await FailAsync(http, ApiException.Stopping());
        }
        catch (Exception e)
        {
            await FailAsync(http, e);
        }
    }

    /// <summary>The id that a request brought, where a header can carry it back, or a new one.</summary>
    private static string IdFor(HttpRequest request)
    {
        var own = request.Headers[RequestIdHeader].ToString();
        return own.Length > 0 && own.All(c => c is > ' ' and <= '~') ? own : Guid.NewGuid().ToString("N");
    }

    /// <summary>Ends the requests that are under way; each tells its client so.</summary>
    public void Stop() => _server.Stop();

    public void Dispose() => _server.Dispose();

    private IEndpoint Find(HttpRequest request)
    {
        var path = request.Path.Value ?? "/";
        if (_endpoints.TryGetValue(path, out var endpoint)) return endpoint;
        if (path.StartsWith("/v1/models/", StringComparison.Ordinal)) return _models;
        throw ApiException.NotFound(path.StartsWith("/v1/responses", StringComparison.Ordinal)
            ? $"There is no {path} here; use /v1/chat/completions."
            : $"There is no {path} here. There are /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models, /tokenize, /detokenize, /health, /metrics and more.");
    }

    private async Task FailAsync(HttpContext http, Exception exception)
    {
        var error = ApiException.From(exception);
        if (error is null || error.Status == StatusCodes.Status500InternalServerError) LogFailure(_logger, exception, http.Request.Path);
        // What a bug says is for the log, not for the client.
        error ??= new ApiException(StatusCodes.Status500InternalServerError, "InternalServerError", $"The server failed with {exception.GetType().Name}; its log has the details.");
        if (http.Response.HasStarted)
        {
            http.Abort();
            return;
        }

        await ErrorJson.WriteAsync(http, error);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Path} failed.")]
    private static partial void LogFailure(ILogger logger, Exception exception, string path);
}
