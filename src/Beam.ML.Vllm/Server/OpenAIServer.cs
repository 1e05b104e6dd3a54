using System.Net;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Hosting;
using Beam.Rpc;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Beam.ML.Vllm.Server;

/// <summary>
/// Serves an engine over HTTP as vLLM's OpenAI-compatible server does: completions, chat, embeddings, tokenization, models and metrics.
/// The engine stays its owner's, who disposes of it after the server.
/// </summary>
public sealed class OpenAIServer : IAsyncDisposable
{
    /// <summary>The category of the log's lines about requests, of level information: one for each, but for probes of health and metrics that succeed.</summary>
    public const string AccessLogCategory = "Beam.ML.Vllm.Server.Access";

    /// <summary>The category of the log's lines about the engine's throughput, of level information: one every <see cref="ServerOptions.StatsLogInterval"/>.</summary>
    public const string StatsLogCategory = "Beam.ML.Vllm.Server.Stats";

    private const int MaxConnections = 16_384;

    /// <summary>A body that takes longer than this must come at <see cref="MinBodyRate"/> bytes a second: what it takes of the memory for bodies, others lack.</summary>
    private static readonly TimeSpan BodyPatience = TimeSpan.FromSeconds(30);

    private const double MinBodyRate = 64 << 10;

    /// <summary>What aborted requests have to tell their clients so.</summary>
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly WebApplication _app;
    private readonly ApiHandler _api;
    private readonly TimeSpan _grace;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _stats;
    private Task? _stopping;

    private OpenAIServer(WebApplication app, ApiHandler api, LlmEngine engine, ServerOptions options, Uri? address)
    {
        (_app, _api, _grace) = (app, api, options.ShutdownGrace);
        _stats = options.LoggerFactory is not { } loggers ? Task.CompletedTask
            : new StatsLog(loggers.CreateLogger(StatsLogCategory)).RunAsync(engine, options.StatsLogInterval, _ended.Token);
        (Address, UnixSocketPath) = (address, options.UnixSocketPath);
    }

    /// <summary>Where the server listens, such as <c>http://127.0.0.1:8000</c>; null on a Unix socket.</summary>
    public Uri? Address { get; }

    /// <summary>The Unix socket that the server listens on; null on an address.</summary>
    public string? UnixSocketPath { get; }

    /// <summary>Requests that are being answered.</summary>
    public int ActiveRequests => _api.ActiveRequests;

    /// <summary>Starts to listen.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="Chat.ChatTemplateException">The chat template cannot be read.</exception>
    /// <exception cref="IOException">The address is in use or may not be used.</exception>
    public static async Task<OpenAIServer> StartAsync(LlmEngine engine, ServerOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new ServerOptions();
        options.Validate();
        var endPoint = options.UnixSocketPath is null ? Resolve(options) : null;
        if (options.UnixSocketPath is { } path)
        {
            ListenFailure.CheckSocketPath(path);
            options = options with { UnixSocketPath = Path.GetFullPath(path) };
        }

        var builder = KestrelHost.CreateBuilder(kestrel => Configure(kestrel, endPoint, options), options.LoggerFactory);
        var api = new ApiHandler(engine, options);
        var app = builder.Build();
        try
        {
            app.Run(api.HandleAsync);
            await app.StartAsync(cancellationToken);
            return new OpenAIServer(app, api, engine, options, endPoint is null ? null : new Uri(KestrelHost.BoundAddress(app)));
        }
        catch (Exception e)
        {
            await app.DisposeAsync();
            api.Dispose();
            if (ListenFailure.Explain(e, options) is { } failure) throw failure;
            throw;
        }
    }

    /// <summary>
    /// Accepts no more requests, lets those under way end within <see cref="ServerOptions.ShutdownGrace"/>, then aborts them: streams end with
    /// an error event, other requests get 503. Cancelling the token aborts them at once. Later callers wait for the first.
    /// </summary>
    public Task StopAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate) return _stopping ??= StopOnceAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await StopAsync();
        }
        finally
        {
            await _app.DisposeAsync();
            _api.Dispose();
            _ended.Dispose();
        }
    }

    private async Task StopOnceAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(_grace);
        using var last = new CancellationTokenSource();
        using var end = patience.Token.Register(() =>
        {
            _api.Stop();
            last.CancelAfter(Farewell);
        });
        try
        {
            await _app.StopAsync(last.Token);
        }
        catch (OperationCanceledException) when (last.IsCancellationRequested)
        {
            // The host reports that its patience ended; the connections are closed all the same.
        }
        finally
        {
            await _ended.CancelAsync();
            await _stats;
        }
    }

    private static void Configure(KestrelServerOptions kestrel, IPEndPoint? endPoint, ServerOptions options)
    {
        kestrel.Limits.MaxRequestBodySize = options.MaxRequestBodySize;
        kestrel.Limits.MaxConcurrentConnections = MaxConnections;
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(MinBodyRate, BodyPatience);
        if (endPoint is null) kestrel.ListenUnixSocket(options.UnixSocketPath!, Protocol);
        else kestrel.Listen(endPoint, Protocol);

        void Protocol(ListenOptions listen)
        {
            listen.Protocols = options.Certificate is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
            if (options.Certificate is { } certificate) listen.UseHttps(certificate);
        }
    }

    private static IPEndPoint Resolve(ServerOptions options)
    {
        if (options.Host == "localhost") return new IPEndPoint(IPAddress.Loopback, options.Port);
        if (!IPAddress.TryParse(options.Host, out var address))
            throw new ArgumentException($"host must be an IP address or 'localhost', got '{options.Host}'; 0.0.0.0 listens on all of the machine's addresses.");
        return new IPEndPoint(address, options.Port);
    }
}
