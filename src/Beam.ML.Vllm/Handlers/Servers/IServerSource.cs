using System.Net.Http.Headers;

namespace Beam.ML.Vllm;

/// <summary>Where a server is, at the moment.</summary>
internal interface IServerSource : IAsyncDisposable
{
    /// <summary>A client of the server, whose base address ends with a slash; starts the server if there is none.</summary>
    /// <exception cref="Engine.EngineDeadException">There is none and will be none.</exception>
    ValueTask<HttpClient> GetAsync(CancellationToken cancellationToken);

    /// <summary>The server has answered.</summary>
    void Succeeded();
}

/// <summary>A server that someone else runs.</summary>
internal sealed class RemoteServer(Uri url, VllmServerOptions options) : IServerSource
{
    private readonly HttpClient _client = ServerClients.Create(url, options.ApiKey, options, socketPath: null);

    public ValueTask<HttpClient> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(_client);

    public void Succeeded()
    {
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>Clients as all servers need them.</summary>
internal static class ServerClients
{
    private const int MaxResponseSize = 64 << 20;

    public static HttpClient Create(Uri url, string? apiKey, VllmServerOptions options, string? socketPath)
    {
        var handler = new SocketsHttpHandler
        {
            MaxConnectionsPerServer = options.MaxConcurrentRequests,
            ConnectTimeout = TimeSpan.FromSeconds(15),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            // A key goes to the server that was named and to no other.
            AllowAutoRedirect = false,
        };
        if (socketPath is not null)
        {
            handler.UseProxy = false;
            handler.ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(socketPath), cancellationToken);
                    return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            };
        }

        var path = url.AbsolutePath == "/" ? "/v1/" : url.AbsolutePath.TrimEnd('/') + "/";
        var client = new HttpClient(handler) { BaseAddress = new Uri(url, path), Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = MaxResponseSize };
        if (apiKey is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        return client;
    }
}
