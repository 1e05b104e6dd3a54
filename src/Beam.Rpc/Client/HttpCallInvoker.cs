using System.Collections.Concurrent;
using Grpc.Core;

namespace Beam.Rpc.Client;

/// <summary>Starts calls on one channel's HTTP/2 connections.</summary>
internal sealed class HttpCallInvoker(RpcTarget target, HttpMessageHandler transport, RpcChannelOptions options) : CallInvoker, IDisposable
{
    private readonly CancellationTokenSource _disposed = new();
    private readonly HttpMessageInvoker _http = new(transport);
    private readonly ConcurrentDictionary<string, Uri> _addresses = new();

    public RpcTarget Target => target;
    public RpcChannelOptions Options => options;

    /// <summary>Fires when the channel is disposed.</summary>
    public CancellationToken Disposed => _disposed.Token;

    public Uri AddressOf(string path) => _addresses.GetOrAdd(path, static (p, t) => new Uri(t.Address, p), target);

    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        _http.SendAsync(request, cancellationToken);

    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions callOptions, TRequest request)
    {
        using var call = AsyncUnaryCall(method, host, callOptions, request);
        return call.ResponseAsync.GetAwaiter().GetResult();
    }

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions callOptions, TRequest request)
    {
        var call = new ClientCall<TRequest, TResponse>(this, method, callOptions);
        call.Start(host, new MessageContent<TRequest>(request, call));
        return new AsyncUnaryCall<TResponse>(call.ReadSingleAsync(), call);
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions callOptions, TRequest request)
    {
        var call = new ClientCall<TRequest, TResponse>(this, method, callOptions);
        call.Start(host, new MessageContent<TRequest>(request, call));
        return new AsyncServerStreamingCall<TResponse>(call, call);
    }

    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions callOptions)
    {
        var call = new ClientCall<TRequest, TResponse>(this, method, callOptions);
        call.StartStreaming(host);
        return new AsyncClientStreamingCall<TRequest, TResponse>(call, call.ReadSingleAsync(), call);
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions callOptions)
    {
        var call = new ClientCall<TRequest, TResponse>(this, method, callOptions);
        call.StartStreaming(host);
        return new AsyncDuplexStreamingCall<TRequest, TResponse>(call, call, call);
    }

    public void Dispose()
    {
        _disposed.Cancel();
        _http.Dispose();
    }
}
