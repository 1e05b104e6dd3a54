namespace Beam.Harness;

/// <summary>Remembers the first stream that broke under the harness, and cancels what goes on without it.</summary>
internal sealed class BrokenStream
{
    // Never disposed: it has no timer and is linked to nothing, and a stream may break at any time.
    private readonly CancellationTokenSource _source = new();
    private Exception? _error;

    /// <summary>Cancelled when a stream has broken.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>What broke it; null as long as all is well.</summary>
    public Exception? Error => Volatile.Read(ref _error);

    public void Report(Exception error)
    {
        if (Interlocked.CompareExchange(ref _error, error, null) is null) _source.Cancel();
    }
}
