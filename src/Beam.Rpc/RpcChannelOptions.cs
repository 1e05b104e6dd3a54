using System.Security.Cryptography.X509Certificates;
using Grpc.Core;

namespace Beam.Rpc;

/// <summary>How a channel connects and what each of its calls carries.</summary>
internal sealed record RpcChannelOptions
{
    public static readonly RpcChannelOptions Default = new();

    /// <summary>For channels inside a job (Fn API, engine): messages of any size.</summary>
    public static readonly RpcChannelOptions Unlimited = new() { MaxReceiveMessageSize = null };

    /// <summary>Longest message accepted, in bytes, after decompression; null for no limit. Default 4 MiB.</summary>
    public int? MaxReceiveMessageSize { get; init; } = 4 << 20;

    /// <summary>Longest message sent, in bytes; null (the default) for no limit.</summary>
    public int? MaxSendMessageSize { get; init; }

    /// <summary>Compress requests with gzip; a server that compresses in turn is understood either way. Default false.</summary>
    public bool Gzip { get; init; }

    /// <summary>Silence after which an HTTP/2 ping asks whether the server lives; null for no pings. Default 30 s.</summary>
    public TimeSpan? KeepAlivePingDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a ping may stay unanswered before the connection counts as dead. Default 20 s.</summary>
    public TimeSpan KeepAlivePingTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a connection attempt may take. Default 20 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Sent with each call, for example <c>worker_id</c> or <c>authorization</c>.</summary>
    public Metadata? DefaultHeaders { get; init; }

    /// <summary>Asked before each call for headers that change, such as an access token.</summary>
    public Func<CancellationToken, ValueTask<Metadata>>? HeaderProvider { get; init; }

    /// <summary>Certificate authorities that an <c>https</c> server may be signed by instead of the system's.</summary>
    public X509Certificate2Collection? TrustedRoots { get; init; }

    /// <summary>The certificate that the client shows to an <c>https</c> server.</summary>
    public X509Certificate2? ClientCertificate { get; init; }
}
