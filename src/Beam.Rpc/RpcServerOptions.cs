using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Beam.Rpc;

/// <summary>Where a server listens and what it accepts.</summary>
internal sealed record RpcServerOptions
{
    /// <summary><c>ip:port</c> (port 0 takes a free one) or <c>unix:/path</c>. Default: a free port of 127.0.0.1.</summary>
    public string Listen { get; init; } = "127.0.0.1:0";

    /// <summary>Longest message accepted, in bytes, after decompression; null for no limit. Default 4 MiB.</summary>
    public int? MaxReceiveMessageSize { get; init; } = 4 << 20;

    /// <summary>Longest message sent, in bytes; null (the default) for no limit.</summary>
    public int? MaxSendMessageSize { get; init; }

    /// <summary>How long running calls may take to end once the server stops. Default 5 s.</summary>
    public TimeSpan ShutdownGrace { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Silence after which an HTTP/2 ping asks whether the client lives; null for no pings. Default 30 s.</summary>
    public TimeSpan? KeepAlivePingDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a ping may stay unanswered before the connection counts as dead. Default 20 s.</summary>
    public TimeSpan KeepAlivePingTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Serves TLS with this certificate; null (the default) serves plaintext HTTP/2.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>When set, each call must carry <c>authorization: Bearer</c> with this token, or ends UNAUTHENTICATED.</summary>
    public string? BearerToken { get; init; }

    /// <summary>Where the server logs; null for nowhere. The server does not dispose it.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }
}
