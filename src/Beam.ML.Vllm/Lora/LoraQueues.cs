namespace Beam.ML.Vllm.Lora;

/// <summary>
/// Those that wait for adapters: a queue for each adapter, and an order of the queues, which is that of those at their heads. Within a queue
/// and among the heads a lower priority comes first, and of equals who came first.
/// </summary>
internal sealed class LoraQueues
{
    private readonly Dictionary<LoraRequest, LoraQueue> _queues = [];
    private readonly SortedSet<LoraQueue> _inOrder = new(Comparer<LoraQueue>.Create((a, b) => LoraWaiter.Order.Compare(a.Head, b.Head)));
    private long _arrivals;

    public int Count => _queues.Count;

    /// <summary>By who is at their heads. Not to be changed while it is enumerated.</summary>
    public IEnumerable<LoraQueue> InOrder => _inOrder;

    public LoraWaiter Add(LoraRequest adapter, int priority)
    {
        var waiter = new LoraWaiter(adapter, priority, _arrivals++);
        if (!_queues.TryGetValue(adapter, out var queue)) _queues.Add(adapter, queue = new LoraQueue(adapter));
        else _inOrder.Remove(queue);
        queue.Waiters.Add(waiter);
        _inOrder.Add(queue);
        return waiter;
    }

    /// <summary>Takes out one that waits no longer; returns false if it has been served.</summary>
    public bool Remove(LoraWaiter waiter)
    {
        if (!_queues.TryGetValue(waiter.Adapter, out var queue) || !queue.Waiters.Contains(waiter)) return false;
        _inOrder.Remove(queue);
        queue.Waiters.Remove(waiter);
        if (queue.Waiters.Count > 0) _inOrder.Add(queue);
        else _queues.Remove(queue.Adapter);
        return true;
    }

    /// <summary>Takes out a queue whose waiters have been served.</summary>
    public void Remove(LoraQueue queue)
    {
        _inOrder.Remove(queue);
        _queues.Remove(queue.Adapter);
    }
}

/// <summary>Those that wait for one adapter.</summary>
internal sealed class LoraQueue(LoraRequest adapter)
{
    public LoraRequest Adapter => adapter;

    public SortedSet<LoraWaiter> Waiters { get; } = new(LoraWaiter.Order);

    public LoraWaiter Head => Waiters.Min!;

    /// <summary>Ends the waiting of all with an error.</summary>
    public void Fail(Exception error)
    {
        foreach (var waiter in Waiters) waiter.Granted.SetException(error);
    }
}

/// <summary>One that waits for an adapter.</summary>
internal sealed class LoraWaiter(LoraRequest adapter, int priority, long arrival)
{
    public static IComparer<LoraWaiter> Order { get; } = Comparer<LoraWaiter>.Create((a, b) => a.Place.CompareTo(b.Place));

    public LoraRequest Adapter => adapter;

    public TaskCompletionSource<LoraGrant> Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private (int Priority, long Arrival) Place => (priority, arrival);
}

/// <param name="Adapter">What the lease is on.</param>
/// <param name="IsMine">Whether its holder has to load it.</param>
internal readonly record struct LoraGrant(LoadedLora Adapter, bool IsMine);
