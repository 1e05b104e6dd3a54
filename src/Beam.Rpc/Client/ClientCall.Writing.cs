using Beam.Rpc.Protocol;
using Grpc.Core;

namespace Beam.Rpc.Client;

internal sealed partial class ClientCall<TRequest, TResponse> : IClientStreamWriter<TRequest>, IRequestWriter<TRequest>
{
    private readonly MessageFramer _framer;
    private int _writing;
    private volatile bool _requestCompleted;

    public WriteOptions? WriteOptions { get; set; }

    public async Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (_requestCompleted) throw new InvalidOperationException("The request stream was completed; nothing can follow.");
        if (Interlocked.Exchange(ref _writing, 1) != 0) throw new InvalidOperationException("A write is still running; await it before the next.");
        using var registration = cancellationToken.UnsafeRegister(
            static call => ((ClientCall<TRequest, TResponse>)call!).CancelByCaller(), this);
        try
        {
            if (IsFinished) throw Ended();
            var stream = await _requestStream!.GetStreamAsync(_ended).ConfigureAwait(false);
            await WriteToAsync(stream, message, _ended).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or HttpRequestException or ObjectDisposedException)
        {
            throw await WhyWritingFailedAsync(e).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref _writing, 0);
        }
    }

    public Task CompleteAsync()
    {
        if (Volatile.Read(ref _writing) != 0) throw new InvalidOperationException("A write is still running; await it before completing the stream.");
        _requestCompleted = true;
        _requestStream!.Complete();
        return Task.CompletedTask;
    }

    async Task IRequestWriter<TRequest>.WriteToAsync(Stream stream, TRequest message, CancellationToken cancellationToken)
    {
        try
        {
            await WriteToAsync(stream, message, cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            Cancel(e.Status);
            throw;
        }
    }

    private async ValueTask WriteToAsync(Stream stream, TRequest message, CancellationToken cancellationToken)
    {
        var flags = (WriteOptions ?? _options.WriteOptions ?? WriteOptions.Default).Flags;
        bool gzip = _invoker.Options.Gzip && !flags.HasFlag(WriteFlags.NoCompress);
        try
        {
            await stream.WriteAsync(_framer.Frame(message, _method.RequestMarshaller, gzip), cancellationToken).ConfigureAwait(false);
            // A request of one message is flushed by its end.
            if (_requestStream is not null && !flags.HasFlag(WriteFlags.BufferHint)) await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _framer.Release();
        }
    }

    /// <summary>A server that ends the call early makes writing fail, or takes the stream away between two writes; its status says more.</summary>
    private async Task<RpcException> WhyWritingFailedAsync(Exception e)
    {
        // The handler gives up the request only with the response, so this waits for nobody else.
        if (!IsFinished) await _response!.ConfigureAwait(false);
        lock (_gate)
        {
            if (_finished) return new RpcException(_status, _trailers);
        }
        return new RpcException(e is OperationCanceledException
            ? new Status(StatusCode.Cancelled, "The server takes no more requests on this call; its responses end with the reason.", e)
            : ResponseStatus.OfException(e, _invoker.Target));
    }
}
