namespace Beam.ML.Vllm.Engine;

/// <summary>A request by whose id it may be aborted, from before it has its adapter to its last output.</summary>
internal sealed class LiveRequest
{
    // Never disposed of: whoever aborts may come late, and it holds nothing but memory.
    private readonly CancellationTokenSource _aborted = new();
    private RequestGroup? _group;

    /// <summary>Cancelled when the request is aborted.</summary>
    public CancellationToken Aborted => _aborted.Token;

    /// <summary>Aborts the request; returns what the step loop has to end, if there is anything yet.</summary>
    public RequestGroup? Abort()
    {
        _aborted.Cancel();
        return Volatile.Read(ref _group);
    }

    /// <summary>Notes what the step loop gets. Returns whether nobody has aborted the request before; later aborts find it.</summary>
    public bool TryBegin(RequestGroup group)
    {
        Interlocked.Exchange(ref _group, group);
        return !_aborted.IsCancellationRequested;
    }
}
