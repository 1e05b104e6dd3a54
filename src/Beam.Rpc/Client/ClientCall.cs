using System.IO.Pipelines;
using Beam.Rpc.Protocol;
using Grpc.Core;

namespace Beam.Rpc.Client;

/// <summary>
/// One call, from request headers to status. It ends once: with the server's status, a failure of the connection, the
/// deadline, or a cancellation; whichever comes first is the status that everyone sees. Reading and writing are the other parts.
/// </summary>
internal sealed partial class ClientCall<TRequest, TResponse> : IClientCall
    where TRequest : class where TResponse : class
{
    // The largest delay that timers take; a later deadline needs none.
    private static readonly TimeSpan MaxTimer = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    private readonly HttpCallInvoker _invoker;
    private readonly Method<TRequest, TResponse> _method;
    private readonly CallOptions _options;
    private readonly CancellationTokenSource _cts = new();
    private readonly CancellationToken _ended;
    private readonly Lock _gate = new();

    private CancellationTokenRegistration _callerRegistration;
    private CancellationTokenRegistration _channelRegistration;
    private StreamingContent? _requestStream;
    private Task<HttpResponseMessage?>? _response;
    private HttpResponseMessage? _http;
    private bool _finished;
    private Status _status;
    private Metadata _trailers = Metadata.Empty;

    public ClientCall(HttpCallInvoker invoker, Method<TRequest, TResponse> method, CallOptions options)
    {
        (_invoker, _method, _options) = (invoker, method, options);
        _ended = _cts.Token;
        _framer = new MessageFramer(invoker.Options.MaxSendMessageSize);
    }

    public Task<Metadata> ResponseHeadersAsync => field ??= ReadResponseHeadersAsync();

    public Status GetStatus()
    {
        lock (_gate) return _finished ? _status : throw new InvalidOperationException("The call has not ended, so it has no status yet.");
    }

    public Metadata GetTrailers()
    {
        lock (_gate) return _finished ? _trailers : throw new InvalidOperationException("The call has not ended, so it has no trailers yet.");
    }

    public void StartStreaming(string? host)
    {
        _requestStream = new StreamingContent();
        Start(host, _requestStream);
    }

    public void Start(string? host, HttpContent content)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, _invoker.AddressOf(_method.FullName))
        {
            Version = System.Net.HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        var headers = request.Headers;
        headers.TryAddWithoutValidation("TE", "trailers");
        headers.TryAddWithoutValidation("User-Agent", GrpcNames.UserAgent);
        headers.TryAddWithoutValidation(GrpcNames.AcceptEncoding, GrpcNames.Accepted);
        if (host is not null) headers.Host = host;
        if (_invoker.Options.Gzip) headers.TryAddWithoutValidation(GrpcNames.Encoding, GrpcNames.Gzip);
        if (_options.Headers is { Count: > 0 } metadata) MetadataCodec.AddTo(headers, metadata);
        WatchForTheEnd(headers);
        _response = SendAsync(request);
    }

    public void Dispose() => Cancel(new Status(StatusCode.Cancelled, "The call was disposed before it ended."));

    private void WatchForTheEnd(System.Net.Http.Headers.HttpRequestHeaders headers)
    {
        _ended.UnsafeRegister(static call => ((ClientCall<TRequest, TResponse>)call!).Cancel(DeadlineExceeded()), this);
        if (_options.Deadline is { } deadline && deadline != DateTime.MaxValue)
        {
            var timeout = deadline.ToUniversalTime() - DateTime.UtcNow;
            if (timeout <= TimeSpan.Zero) Cancel(DeadlineExceeded());
            else
            {
                headers.TryAddWithoutValidation(GrpcNames.Timeout, GrpcTimeout.Encode(timeout));
                if (timeout < MaxTimer) _cts.CancelAfter(timeout);
            }
        }
        _channelRegistration = _invoker.Disposed.UnsafeRegister(
            static call => ((ClientCall<TRequest, TResponse>)call!).Cancel(new Status(StatusCode.Cancelled, "The channel was disposed.")), this);
        _callerRegistration = _options.CancellationToken.UnsafeRegister(
            static call => ((ClientCall<TRequest, TResponse>)call!).CancelByCaller(), this);
    }

    /// <summary>Null when the call ended with its headers.</summary>
    private async Task<HttpResponseMessage?> SendAsync(HttpRequestMessage request)
    {
        try
        {
            if (IsFinished) return null;
            var response = await _invoker.SendAsync(request, _ended).ConfigureAwait(false);
            lock (_gate)
            {
                _http = response;
                if (_finished) response.Dispose();
            }
            if (IsFinished) return response;
            if (ResponseStatus.OfHeaders(response) is { } status)
            {
                Finish(status, HeaderMetadata.FromHeaders(response.Headers));
                return response;
            }
            var body = await response.Content.ReadAsStreamAsync(_ended).ConfigureAwait(false);
            _reader = new MessageReader(PipeReader.Create(body, PipeOptions), _invoker.Options.MaxReceiveMessageSize, ResponseStatus.EncodingOf(response));
            return response;
        }
        catch (Exception e)
        {
            Cancel(ResponseStatus.OfException(e, _invoker.Target));
            return null;
        }
    }

    private async Task<Metadata> ReadResponseHeadersAsync() =>
        await _response!.ConfigureAwait(false) is { } response ? HeaderMetadata.FromHeaders(response.Headers) : throw Ended();

    private bool IsFinished
    {
        get { lock (_gate) return _finished; }
    }

    private static Status DeadlineExceeded() => new(StatusCode.DeadlineExceeded, "The deadline passed before the call ended.");

    private void CancelByCaller() => Cancel(new Status(StatusCode.Cancelled, "The call was cancelled by its caller."));

    /// <summary>Ends the call from this side: the server learns by RST_STREAM.</summary>
    private void Cancel(Status status)
    {
        if (TryEnd(status, Metadata.Empty)) Stop();
    }

    /// <summary>Ends the call with what the server said.</summary>
    private void Finish(Status status, Metadata trailers)
    {
        if (!TryEnd(status, trailers)) return;
        // A request stream that is still open has no reader any more.
        if (_requestStream is not null && !_requestCompleted) Stop();
        else Release();
    }

    private bool TryEnd(Status status, Metadata trailers)
    {
        lock (_gate)
        {
            if (_finished) return false;
            (_finished, _status, _trailers) = (true, status, trailers);
            return true;
        }
    }

    private void Stop()
    {
        _cts.Cancel();
        _requestStream?.Abort();
        HttpResponseMessage? response;
        lock (_gate) response = _http;
        response?.Dispose();
        Release();
    }

    private void Release()
    {
        _callerRegistration.Unregister();
        _channelRegistration.Unregister();
        _cts.Dispose();
    }

    /// <summary>The exception of a call that has ended; it always has when this is asked for.</summary>
    private RpcException Ended()
    {
        lock (_gate) return new RpcException(_status, _trailers);
    }
}
