using System.Diagnostics.CodeAnalysis;
using Beam.Model.FnExecution;

namespace Beam.Harness;

/// <summary>One thing that the runner sent to a bundle: elements or timers, or the end of them.</summary>
internal readonly record struct InboundItem(string TransformId, string? TimerFamilyId, ReadOnlyMemory<byte> Data, bool IsLast);

/// <summary>
/// What has arrived for one bundle and is not processed yet. The stream that fills it feeds other bundles as well, so it waits only while
/// both the queue is full and all queues together hold too much; and not before the bundle has begun: one that waits for a thread must not
/// stop those which have one.
/// </summary>
internal sealed class InboundQueue(InboundBudget budget)
{
    private const long MaxBytes = 16 << 20;

    private readonly object _lock = new();
    private readonly Queue<InboundItem> _items = new();
    private long _bytes;
    private bool _started;
    private bool _closed;
    private Exception? _error;
    private TaskCompletionSource? _space;

    /// <summary>The bundle's thread reads from now on.</summary>
    public void Start()
    {
        lock (_lock) _started = true;
    }

    /// <summary>Whether nothing has arrived that is not taken yet.</summary>
    public bool IsEmpty
    {
        get { lock (_lock) return _items.Count == 0; }
    }

    /// <summary>Adds an item; the task ends when there is room for the next.</summary>
    public ValueTask AddAsync(in InboundItem item)
    {
        lock (_lock)
        {
            if (_closed) return ValueTask.CompletedTask; // the bundle is over: nobody wants the rest
            _items.Enqueue(item);
            _bytes += item.Data.Length;
            budget.Take(item.Data.Length);
            Monitor.Pulse(_lock);
            if (!_started || _bytes <= MaxBytes || budget.Room() is not { } room) return ValueTask.CompletedTask;
            _space ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(Task.WhenAny(_space.Task, room));
        }
    }

    /// <summary>The next item; blocks the calling thread, which is the bundle's own, until there is one.</summary>
    public InboundItem Take()
    {
        lock (_lock)
        {
            InboundItem item;
            while (!TryTake(out item))
            {
                if (_error is not null) throw _error;
                Monitor.Wait(_lock);
            }

            return item;
        }
    }

    /// <summary>Ends the queue: what is in it is dropped, and <see cref="Take"/> throws.</summary>
    public void Close(Exception error)
    {
        lock (_lock)
        {
            if (_closed) return;
            _closed = true;
            _error = error;
            _items.Clear();
            budget.Return(_bytes);
            _bytes = 0;
            Monitor.PulseAll(_lock);
            _space?.TrySetResult();
            _space = null;
        }
    }

    public static InboundItem Of(Elements.Types.Data data) => new(data.TransformId, null, data.Data_.Memory, data.IsLast);

    public static InboundItem Of(Elements.Types.Timers timers) => new(timers.TransformId, timers.TimerFamilyId, timers.Timers_.Memory, timers.IsLast);

    private bool TryTake([MaybeNullWhen(false)] out InboundItem item)
    {
        if (!_items.TryDequeue(out item)) return false;
        _bytes -= item.Data.Length;
        budget.Return(item.Data.Length);
        if (_space is not null && _bytes <= MaxBytes / 2)
        {
            _space.TrySetResult();
            _space = null;
        }

        return true;
    }
}
