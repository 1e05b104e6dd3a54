namespace Beam.Harness;

/// <summary>Objects that all functions of a worker share, by key; disposed when the worker ends, the youngest first.</summary>
internal sealed class SharedObjects : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Slot> _slots = [];
    private readonly Stack<object> _created = new();
    private bool _disposed;

    // Each object is made under its own lock: making one may take long, and may ask for another.
    private sealed class Slot
    {
        public readonly Lock Lock = new();
        public object? Value;
    }

    public T Get<T>(string key, Func<T> create) where T : class
    {
        Slot? slot;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_slots.TryGetValue(key, out slot)) _slots.Add(key, slot = new Slot());
        }

        lock (slot.Lock)
        {
            if (slot.Value is null)
            {
                slot.Value = create() ?? throw new InvalidOperationException($"The function that makes the shared object '{key}' returned null.");
                lock (_lock) _created.Push(slot.Value);
            }

            return slot.Value as T
                ?? throw new InvalidOperationException($"The shared object '{key}' is a {slot.Value.GetType()}, not a {typeof(T)}; use another key.");
        }
    }

    /// <summary>Disposes all, and says afterwards what failed.</summary>
    public async ValueTask DisposeAsync()
    {
        object[] created;
        lock (_lock)
        {
            if (_disposed) return;
            _disposed = true;
            created = [.. _created];
        }

        var errors = new List<Exception>();
        foreach (var value in created)
        {
            try
            {
                if (value is IAsyncDisposable asynchronous) await asynchronous.DisposeAsync();
                else (value as IDisposable)?.Dispose();
            }
            catch (Exception e)
            {
                errors.Add(e);
            }
        }

        if (errors.Count != 0) throw new AggregateException("Objects that functions shared could not be disposed.", errors);
    }
}
