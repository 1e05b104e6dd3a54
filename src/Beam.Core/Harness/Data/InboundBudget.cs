namespace Beam.Harness;

/// <summary>How many bytes may wait in all queues of a harness before the streams that fill them have to.</summary>
internal sealed class InboundBudget(long maxBytes)
{
    private readonly Lock _lock = new();
    private long _bytes;
    private TaskCompletionSource? _room;

    /// <summary>Takes from the budget, even what is not there: what has arrived must be kept.</summary>
    public void Take(long bytes)
    {
        lock (_lock) _bytes += bytes;
    }

    public void Return(long bytes)
    {
        lock (_lock)
        {
            _bytes -= bytes;
            if (_bytes > maxBytes) return;
            _room?.TrySetResult();
            _room = null;
        }
    }

    /// <summary>Null while there is something left; else a task that ends when there is again.</summary>
    public Task? Room()
    {
        lock (_lock)
        {
            if (_bytes <= maxBytes) return null;
            _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _room.Task;
        }
    }
}
