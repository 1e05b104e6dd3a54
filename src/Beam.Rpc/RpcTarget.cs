using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Beam.Rpc;

/// <summary>
/// Where a server listens or a channel connects: <c>host:port</c>, <c>http://host:port</c>, <c>https://host:port</c> or <c>unix:path</c>.
/// </summary>
internal sealed record RpcTarget
{
    // sockaddr_un holds 108 bytes on Linux and 104 on macOS and Windows, with a terminating zero.
    private const int MaxSocketPathBytes = 103;

    private RpcTarget() { }

    /// <summary>The URI that requests name; for a Unix socket its host is <c>localhost</c>.</summary>
    public required Uri Address { get; init; }

    /// <summary>The Unix socket's path, or null for TCP.</summary>
    public string? SocketPath { get; init; }

    public bool IsTls => Address.Scheme == Uri.UriSchemeHttps;

    /// <exception cref="ArgumentException">The text is none of the forms.</exception>
    public static RpcTarget Parse(string target)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(target);
        if (target.StartsWith("unix:", StringComparison.Ordinal)) return ForSocket(target, target["unix:".Length..]);
        string url = target.Contains("://", StringComparison.Ordinal) ? target : "http://" + target;
        bool explicitPort = url.LastIndexOf(':') > url.LastIndexOf(']') && url.LastIndexOf(':') > url.IndexOf("//", StringComparison.Ordinal);
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address)
            || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
            || address.PathAndQuery != "/" || address.UserInfo.Length > 0
            || (!explicitPort && address.Scheme == Uri.UriSchemeHttp))
        {
            throw new ArgumentException(
                $"'{target}' is not a gRPC target; give 'host:port', 'http://host:port', 'https://host[:port]' or 'unix:/path/of/socket'.", nameof(target));
        }
        return new RpcTarget { Address = address };
    }

    /// <summary>The TCP address to listen on; port 0 takes a free one.</summary>
    public IPEndPoint ToListenEndPoint() =>
        Address.Host == "localhost" ? new IPEndPoint(IPAddress.Loopback, Address.Port)
        : IPAddress.TryParse(Address.Host, out var ip) ? new IPEndPoint(ip, Address.Port)
        : throw new ArgumentException($"'{Address.Host}' is not an IP address to listen on; give '127.0.0.1:0', '0.0.0.0:port' or 'unix:/path'.");

    public EndPoint ToConnectEndPoint() =>
        SocketPath is { } path ? new UnixDomainSocketEndPoint(path) : new DnsEndPoint(Address.IdnHost, Address.Port);

    public override string ToString() => SocketPath is { } path ? "unix:" + path
        : IsTls ? $"https://{Address.Authority}"
        : string.Create(CultureInfo.InvariantCulture, $"{Address.Host}:{Address.Port}");

    private static RpcTarget ForSocket(string target, string path)
    {
        // unix:///path is the URI form of unix:/path.
        if (path.StartsWith("//", StringComparison.Ordinal)) path = path[2..];
        if (path.Length == 0) throw new ArgumentException($"'{target}' names no socket; give 'unix:/path/of/socket'.", nameof(target));
        int bytes = Encoding.UTF8.GetByteCount(path);
        return bytes <= MaxSocketPathBytes
            ? new RpcTarget { Address = new Uri("http://localhost"), SocketPath = path }
            : throw new ArgumentException(
                $"The socket path '{path}' is {bytes} bytes; the system allows {MaxSocketPathBytes}. Use a shorter temporary folder.", nameof(target));
    }
}
