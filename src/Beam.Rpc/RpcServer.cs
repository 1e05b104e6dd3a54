using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Beam.Rpc;

/// <summary>A gRPC server: Kestrel with nothing around it, on one TCP address or Unix socket.</summary>
internal sealed class RpcServer : IAsyncDisposable
{
    // A stream may hold back this much and the connection this many streams before the peer has to wait. A connection's
    // window is wide enough that some stalled streams do not stop the others.
    private const int StreamWindowSize = 1 << 20;
    private const int ConnectionWindowSize = 16 << 20;
    private const int MaxStreamsPerConnection = 16_384;

    private readonly WebApplication _app;
    private readonly TimeSpan _grace;
    private readonly Lock _gate = new();
    private Task? _stopping;

    private RpcServer(WebApplication app, TimeSpan grace, string target)
    {
        (_app, _grace) = (app, grace);
        Target = target;
    }

    /// <summary>What a channel connects to: <c>127.0.0.1:41234</c>, <c>https://127.0.0.1:41234</c> or <c>unix:/path</c>.</summary>
    public string Target { get; }

    /// <exception cref="ArgumentException">The options name no address to listen on.</exception>
    /// <exception cref="IOException">The address is in use or may not be used.</exception>
    public static async Task<RpcServer> StartAsync(
        RpcServerOptions options, IEnumerable<ServerServiceDefinition> services, CancellationToken cancellationToken = default)
    {
        var listen = RpcTarget.Parse(options.Listen);
        if (listen.SocketPath is { } path) UnixSocket.RemoveStale(path);

        var builder = KestrelHost.CreateBuilder(kestrel => Configure(kestrel, listen, options), options.LoggerFactory);
        RpcBinding.AddServices(builder.Services, options);

        var app = builder.Build();
        try
        {
            if (options.BearerToken is { } token) app.Use(RequireToken(token));
            RpcBinding.Map(app, options, services);
            await app.StartAsync(cancellationToken).ConfigureAwait(false);
            return new RpcServer(app, options.ShutdownGrace, (listen.SocketPath is null ? RpcTarget.Parse(KestrelHost.BoundAddress(app)) : listen).ToString());
        }
        catch
        {
            await app.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Refuses new calls (GOAWAY), lets running ones end within <see cref="RpcServerOptions.ShutdownGrace"/>, then cancels them.
    /// Cancelling the token cancels them at once. Later callers wait for the first.
    /// </summary>
    public Task StopAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate) return _stopping ??= StopOnceAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
    }

    private async Task StopOnceAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(_grace);
        try
        {
            await _app.StopAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            // The host reports that its patience ended; the connections are closed all the same.
        }
    }

    private static void Configure(KestrelServerOptions kestrel, RpcTarget listen, RpcServerOptions options)
    {
        var limits = kestrel.Limits;
        // Messages have their own limit; a stream may be long and may be silent.
        limits.MaxRequestBodySize = null;
        limits.MinRequestBodyDataRate = null;
        limits.MinResponseDataRate = null;
        limits.MaxResponseBufferSize = StreamWindowSize;
        limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;
        limits.Http2.InitialStreamWindowSize = StreamWindowSize;
        limits.Http2.InitialConnectionWindowSize = ConnectionWindowSize;
        limits.Http2.KeepAlivePingDelay = options.KeepAlivePingDelay ?? TimeSpan.MaxValue;
        limits.Http2.KeepAlivePingTimeout = options.KeepAlivePingTimeout;

        if (listen.SocketPath is { } path) kestrel.ListenUnixSocket(path, Protocol);
        else kestrel.Listen(listen.ToListenEndPoint(), Protocol);

        void Protocol(ListenOptions endpoint)
        {
            endpoint.Protocols = HttpProtocols.Http2;
            if (options.Certificate is { } certificate) endpoint.UseHttps(certificate);
        }
    }

    private static Func<HttpContext, RequestDelegate, Task> RequireToken(string token)
    {
        byte[] expected = Encoding.UTF8.GetBytes("Bearer " + token);
        return (context, next) =>
        {
            byte[] given = Encoding.UTF8.GetBytes(context.Request.Headers.Authorization.ToString());
            if (CryptographicOperations.FixedTimeEquals(given, expected)) return next(context);
            context.Response.ContentType = Protocol.GrpcNames.ContentType;
            context.Response.Headers[Protocol.GrpcNames.Status] = "16";
            context.Response.Headers[Protocol.GrpcNames.Message] = "The call carries no valid token.";
            return Task.CompletedTask;
        };
    }
}
