using System.Runtime.CompilerServices;

namespace Grpc.Core;

/// <summary>What every kind of call in progress can tell; disposing it cancels the call if it still runs.</summary>
internal interface IClientCall : IDisposable
{
    Task<Metadata> ResponseHeadersAsync { get; }

    /// <exception cref="InvalidOperationException">The call has not ended yet.</exception>
    Status GetStatus();

    /// <exception cref="InvalidOperationException">The call has not ended yet.</exception>
    Metadata GetTrailers();
}

/// <summary>The members that the four kinds of call share.</summary>
internal abstract class AsyncCall(IClientCall call) : IDisposable
{
    public Task<Metadata> ResponseHeadersAsync => call.ResponseHeadersAsync;
    public Status GetStatus() => call.GetStatus();
    public Metadata GetTrailers() => call.GetTrailers();
    public void Dispose() => call.Dispose();
}

internal sealed class AsyncUnaryCall<TResponse>(Task<TResponse> response, IClientCall call) : AsyncCall(call)
{
    public Task<TResponse> ResponseAsync => response;
    public TaskAwaiter<TResponse> GetAwaiter() => response.GetAwaiter();
    public ConfiguredTaskAwaitable<TResponse> ConfigureAwait(bool continueOnCapturedContext) => response.ConfigureAwait(continueOnCapturedContext);
}

internal sealed class AsyncClientStreamingCall<TRequest, TResponse>(
    IClientStreamWriter<TRequest> requestStream, Task<TResponse> response, IClientCall call) : AsyncCall(call)
{
    public IClientStreamWriter<TRequest> RequestStream => requestStream;
    public Task<TResponse> ResponseAsync => response;
    public TaskAwaiter<TResponse> GetAwaiter() => response.GetAwaiter();
    public ConfiguredTaskAwaitable<TResponse> ConfigureAwait(bool continueOnCapturedContext) => response.ConfigureAwait(continueOnCapturedContext);
}

internal sealed class AsyncServerStreamingCall<TResponse>(IAsyncStreamReader<TResponse> responseStream, IClientCall call) : AsyncCall(call)
{
    public IAsyncStreamReader<TResponse> ResponseStream => responseStream;
}

internal sealed class AsyncDuplexStreamingCall<TRequest, TResponse>(
    IClientStreamWriter<TRequest> requestStream, IAsyncStreamReader<TResponse> responseStream, IClientCall call) : AsyncCall(call)
{
    public IClientStreamWriter<TRequest> RequestStream => requestStream;
    public IAsyncStreamReader<TResponse> ResponseStream => responseStream;
}
