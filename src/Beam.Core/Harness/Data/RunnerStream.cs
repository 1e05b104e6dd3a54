using Beam.FnApi;

namespace Beam.Harness;

/// <summary>A stream to the runner: many write to it, and it is read from its opening until it breaks or is disposed of.</summary>
internal sealed class RunnerStream<TRead, TWrite> : IAsyncDisposable
{
    private readonly IMessageStream<TRead, TWrite> _stream;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _reading;

    /// <param name="stream">The stream, which this one owns.</param>
    /// <param name="receive">Gets each message; the next one is read when it is done. Its token is cancelled by the disposal.</param>
    /// <param name="onBroken">Is told, once, why there will be no more messages, unless it is because of the disposal.</param>
    public RunnerStream(IMessageStream<TRead, TWrite> stream, Func<TRead, CancellationToken, ValueTask> receive, Action<Exception> onBroken)
    {
        _stream = stream;
        _reading = Task.Run(() => ReadAsync(receive, onBroken));
    }

    public ValueTask SendAsync(TWrite message, CancellationToken cancellationToken) => _stream.WriteAsync(message, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _stream.CompleteAsync();
        await _reading;
        await _stream.DisposeAsync();
        _stop.Dispose();
    }

    private async Task ReadAsync(Func<TRead, CancellationToken, ValueTask> receive, Action<Exception> onBroken)
    {
        Exception end;
        try
        {
            await foreach (var message in _stream.ReadAllAsync(_stop.Token)) await receive(message, _stop.Token);
            end = new IOException("The runner closed it.");
        }
        catch (Exception e)
        {
            end = e; // whatever it is, all that use the stream fail with it
        }

        if (!_stop.IsCancellationRequested) onBroken(end);
    }
}
