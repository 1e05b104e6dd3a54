namespace Grpc.Core;

/// <summary>A call as its server method sees it.</summary>
internal abstract class ServerCallContext
{
    /// <summary>The HTTP path: <c>/package.Service/Method</c>.</summary>
    public abstract string Method { get; }

    public abstract string Host { get; }

    /// <summary><c>ipv4:address:port</c>, <c>ipv6:[address]:port</c> or <c>unix:</c>.</summary>
    public abstract string Peer { get; }

    /// <summary>In UTC; <see cref="DateTime.MaxValue"/> when the caller set none.</summary>
    public abstract DateTime Deadline { get; }

    public abstract Metadata RequestHeaders { get; }

    /// <summary>Fires when the caller cancels or vanishes, when the deadline passes and when the server gives up waiting at shutdown.</summary>
    public abstract CancellationToken CancellationToken { get; }

    public abstract Metadata ResponseTrailers { get; }

    /// <summary>How the call ends when its method returns; OK unless set.</summary>
    public abstract Status Status { get; set; }

    public abstract WriteOptions? WriteOptions { get; set; }

    public abstract IDictionary<object, object> UserState { get; }

    /// <summary>Sends the response headers now instead of with the first message.</summary>
    public abstract Task WriteResponseHeadersAsync(Metadata responseHeaders);
}
