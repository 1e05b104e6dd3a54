using System.IO.Pipelines;
using System.Net.Sockets;
using Beam.Rpc.Protocol;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Beam.Rpc.Server;

/// <summary>One call on the server: its request headers, deadline, messages both ways and the status that ends it.</summary>
internal sealed class HttpServerCallContext(HttpContext http, RpcServerOptions options) : ServerCallContext
{
    // Long frames go out in pieces, each awaiting flow control, so that a slow reader holds back this much and not the message.
    private const int WriteChunk = 256 << 10;
    private const int Http2Cancel = 8;

    private static readonly TimeSpan MaxTimer = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    private readonly MessageFramer _framer = new(options.MaxSendMessageSize);
    private MessageReader? _reader;
    private CancellationTokenSource? _deadlineSource;
    private CancellationToken _cancellation = http.RequestAborted;
    private DateTime _deadline = DateTime.MaxValue;
    private bool _gzipResponses;
    private Metadata? _trailers;
    private bool _hasMessages;
    private bool _ended;

    public override string Method => http.Request.Path.Value ?? "";
    public override string Host => http.Request.Host.Value ?? "";
    public override string Peer => PeerOf(http.Connection);
    public override DateTime Deadline => _deadline;
    public override Metadata RequestHeaders => field ??= HeaderMetadata.FromHeaders(http.Request.Headers);
    public override CancellationToken CancellationToken => _cancellation;
    public override Metadata ResponseTrailers => _trailers ??= [];
    public override Status Status { get; set; } = Status.DefaultSuccess;
    public override WriteOptions? WriteOptions { get; set; }
    public override IDictionary<object, object> UserState => field ??= new Dictionary<object, object>();

    public bool IsDeadlineExceeded => _deadlineSource is { IsCancellationRequested: true } && !http.RequestAborted.IsCancellationRequested;

    /// <summary>True once the request broke off: the caller reset the stream or the connection went away.</summary>
    public bool PeerIsGone { get; private set; }

    /// <summary>Takes what the protocol's own request headers ask for.</summary>
    /// <exception cref="RpcException">A header is malformed.</exception>
    public void Begin()
    {
        http.Response.ContentType = GrpcNames.ContentType;
        var headers = http.Request.Headers;
        if (headers.TryGetValue(GrpcNames.Timeout, out var timeoutText))
        {
            if (!GrpcTimeout.TryDecode(timeoutText.ToString(), out var timeout))
                throw new RpcException(new Status(StatusCode.Internal, $"The grpc-timeout '{timeoutText}' is not up to eight digits and a unit."));
            StartDeadline(timeout);
        }
        string? encoding = headers[GrpcNames.Encoding];
        // A caller that compresses wants compressed answers, if it says that it reads them.
        _gzipResponses = encoding == GrpcNames.Gzip
            && headers[GrpcNames.AcceptEncoding].ToString().Split(',', StringSplitOptions.TrimEntries).Contains(GrpcNames.Gzip);
        if (encoding is not null) http.Response.Headers[GrpcNames.AcceptEncoding] = GrpcNames.Accepted;
        if (_gzipResponses) http.Response.Headers[GrpcNames.Encoding] = GrpcNames.Gzip;
        _reader = new MessageReader(http.Request.BodyReader, options.MaxReceiveMessageSize, encoding);
    }

    public override async Task WriteResponseHeadersAsync(Metadata responseHeaders)
    {
        if (http.Response.HasStarted) throw new InvalidOperationException("The response headers were sent already.");
        HeaderMetadata.AddTo(http.Response.Headers, responseHeaders);
        await http.Response.BodyWriter.FlushAsync(_cancellation).ConfigureAwait(false);
    }

    /// <summary>The next request, or the end of the stream.</summary>
    public async ValueTask<ReadMessage<T>> ReadAsync<T>(Marshaller<T> marshaller, CancellationToken cancellationToken)
    {
        ThrowIfEnded();
        if (!cancellationToken.CanBeCanceled || cancellationToken == _cancellation) return await ReadAsync(marshaller).ConfigureAwait(false);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _cancellation);
        return await GuardAsync(_reader!.ReadAsync(marshaller, linked.Token)).ConfigureAwait(false);
    }

    private ValueTask<ReadMessage<T>> ReadAsync<T>(Marshaller<T> marshaller) => GuardAsync(_reader!.ReadAsync(marshaller, _cancellation));

    public async ValueTask<T> ReadSingleAsync<T>(Marshaller<T> marshaller)
    {
        var request = await ReadAsync(marshaller).ConfigureAwait(false);
        if (!request.HasMessage) throw new RpcException(new Status(StatusCode.Internal, "The request ended without a message."));
        var next = await ReadAsync(marshaller).ConfigureAwait(false);
        return next.HasMessage ? throw new RpcException(new Status(StatusCode.Internal, "The request has more than the one message of this call.")) : request.Message;
    }

    public async ValueTask WriteSingleAsync<T>(T? message, Marshaller<T> marshaller) where T : class
    {
        if (message is null) throw new RpcException(new Status(StatusCode.Internal, $"{Method} returned no response."));
        // A handler that set a failure has no response to give.
        if (Status.StatusCode == StatusCode.OK) await WriteAsync(message, marshaller, flush: false, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Sends a message; completes when flow control let it out. Without a flush it leaves with the status.</summary>
    public async ValueTask WriteAsync<T>(T message, Marshaller<T> marshaller, bool flush, CancellationToken cancellationToken)
    {
        ThrowIfEnded();
        _cancellation.ThrowIfCancellationRequested();
        // A caller of this method that gives up in the middle of a frame leaves nothing to go on with.
        using var registration = cancellationToken == _cancellation ? default : cancellationToken.UnsafeRegister(
            static h => ((HttpContext)h!).Features.GetRequiredFeature<IHttpResetFeature>().Reset(Http2Cancel), http);
        cancellationToken.ThrowIfCancellationRequested();
        var flags = WriteOptions?.Flags ?? default;
        var output = http.Response.BodyWriter;
        try
        {
            var frame = _framer.Frame(message, marshaller, _gzipResponses && !flags.HasFlag(WriteFlags.NoCompress));
            _hasMessages = true;
            while (frame.Length > WriteChunk)
            {
                await FlushedAsync(output.WriteAsync(frame[..WriteChunk], _cancellation)).ConfigureAwait(false);
                frame = frame[WriteChunk..];
            }
            if (flush && !flags.HasFlag(WriteFlags.BufferHint)) await FlushedAsync(output.WriteAsync(frame, _cancellation)).ConfigureAwait(false);
            else
            {
                frame.Span.CopyTo(output.GetSpan(frame.Length));
                output.Advance(frame.Length);
            }
        }
        finally
        {
            _framer.Release();
        }
    }

    public void Fail(Status status) => Status = status;

    /// <summary>Ends the response with the status: in its headers if nothing was sent, else in trailers.</summary>
    public void End()
    {
        _ended = true;
        _deadlineSource?.Dispose();
        if (http.RequestAborted.IsCancellationRequested) return;
        var status = Status;
        var destination = http.Response.HasStarted || _hasMessages
            ? http.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers : http.Response.Headers;
        destination[GrpcNames.Status] = ((int)status.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (status.Detail.Length > 0) destination[GrpcNames.Message] = PercentEncoding.Encode(status.Detail);
        if (_trailers is not null) HeaderMetadata.AddTo(destination, _trailers);
    }

    private void StartDeadline(TimeSpan timeout)
    {
        var now = DateTime.UtcNow;
        _deadline = timeout < DateTime.MaxValue - now ? now + timeout : DateTime.MaxValue;
        if (timeout >= MaxTimer) return;
        _deadlineSource = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        _cancellation = _deadlineSource.Token;
        _deadlineSource.CancelAfter(timeout);
    }

    private void ThrowIfEnded()
    {
        if (_ended) throw new InvalidOperationException($"The call of {Method} has ended; its streams cannot be used any more.");
    }

    /// <summary>A request that breaks off is a cancelled call, whichever way Kestrel reports it.</summary>
    private async ValueTask<ReadMessage<T>> GuardAsync<T>(ValueTask<ReadMessage<T>> read)
    {
        try
        {
            return await read.ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or Microsoft.AspNetCore.Connections.ConnectionAbortedException)
        {
            PeerIsGone = true;
            throw new OperationCanceledException("The caller ended the call.", e, _cancellation);
        }
    }

    private static async ValueTask FlushedAsync(ValueTask<FlushResult> flush)
    {
        var result = await flush.ConfigureAwait(false);
        if (result.IsCompleted || result.IsCanceled) throw new OperationCanceledException("The caller ended the call.");
    }

    private static string PeerOf(ConnectionInfo connection) => connection.RemoteIpAddress is not { } address ? "unix:"
        : address.AddressFamily == AddressFamily.InterNetworkV6 ? $"ipv6:[{address}]:{connection.RemotePort}"
        : $"ipv4:{address}:{connection.RemotePort}";
}
