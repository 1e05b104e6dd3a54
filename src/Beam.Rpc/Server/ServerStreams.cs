using Grpc.Core;

namespace Beam.Rpc.Server;

/// <summary>The requests of a streaming call.</summary>
internal sealed class RequestStream<T>(HttpServerCallContext call, Marshaller<T> marshaller) : IAsyncStreamReader<T> where T : class
{
    private T? _current;

    public T Current => _current ?? throw new InvalidOperationException("There is no current message; call MoveNext first.");

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        var next = await call.ReadAsync(marshaller, cancellationToken).ConfigureAwait(false);
        _current = next.HasMessage ? next.Message : null;
        return next.HasMessage;
    }
}

/// <summary>The responses of a streaming call.</summary>
internal sealed class ResponseStream<T>(HttpServerCallContext call, Marshaller<T> marshaller) : IServerStreamWriter<T> where T : class
{
    private int _writing;

    public WriteOptions? WriteOptions
    {
        get => call.WriteOptions;
        set => call.WriteOptions = value;
    }

    public async Task WriteAsync(T message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (Interlocked.Exchange(ref _writing, 1) != 0) throw new InvalidOperationException("A write is still running; await it before the next.");
        try
        {
            await call.WriteAsync(message, marshaller, flush: true, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref _writing, 0);
        }
    }
}
