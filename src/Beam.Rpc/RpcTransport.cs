using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Beam.Rpc.Protocol;

namespace Beam.Rpc;

/// <summary>The HTTP/2 connections of a channel: one SocketsHttpHandler set up for gRPC.</summary>
internal static class RpcTransport
{
    private const int StreamWindowSize = 1 << 20;

    public static HttpMessageHandler Create(RpcTarget target, RpcChannelOptions options)
    {
        var sockets = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = options.ConnectTimeout,
            // More streams than a server allows on one connection would wait for each other for ever.
            EnableMultipleHttp2Connections = true,
            InitialHttp2StreamWindowSize = StreamWindowSize,
            KeepAlivePingDelay = options.KeepAlivePingDelay ?? Timeout.InfiniteTimeSpan,
            KeepAlivePingTimeout = options.KeepAlivePingTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            UseCookies = false,
            // Plaintext HTTP/2 does not pass through proxies, and loopback must not try.
            UseProxy = target.IsTls,
        };
        // A DnsEndPoint is the handler's own way to connect; only the Unix socket needs another.
        if (target.SocketPath is not null) sockets.ConnectCallback = (_, ct) => ConnectAsync(target, ct);
        if (options.TrustedRoots is { } roots) sockets.SslOptions.RemoteCertificateValidationCallback = TrustOnly(roots);
        if (options.ClientCertificate is { } certificate) sockets.SslOptions.ClientCertificates = [certificate];

        return options.DefaultHeaders is null && options.HeaderProvider is null ? sockets : new HeaderHandler(options, sockets);
    }

    private static async ValueTask<Stream> ConnectAsync(RpcTarget target, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(target.ToConnectEndPoint(), cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static RemoteCertificateValidationCallback TrustOnly(X509Certificate2Collection roots) => (_, certificate, _, errors) =>
    {
        if (certificate is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)) return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        using var copy = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        return chain.Build(copy);
    };

    /// <summary>Adds the channel's headers to each call.</summary>
    private sealed class HeaderHandler(RpcChannelOptions options, HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (options.DefaultHeaders is { } fixedHeaders) MetadataCodec.AddTo(request.Headers, fixedHeaders);
            if (options.HeaderProvider is { } provider)
                MetadataCodec.AddTo(request.Headers, await provider(cancellationToken).ConfigureAwait(false));
            return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
        }
    }
}
