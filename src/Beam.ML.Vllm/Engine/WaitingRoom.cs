namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Bounds the sequences that wait inside the engine. Requests beyond wait here, outside the step loop's queues: first come, first served,
/// or by priority where that is the policy. A request of more sequences than the bound is let in when no other waits inside, and the steps
/// of a beam search that is in are let in at once: they keep others out, which bounds them.
/// </summary>
/// <param name="limit">Sequences that may wait inside.</param>
/// <param name="policy">In which order requests are let in.</param>
internal sealed class WaitingRoom(int limit, SchedulingPolicy policy)
{
    private readonly Lock _lock = new();
    private readonly SortedSet<Visitor> _outside = new(OrderOf(policy));
    private readonly Dictionary<RequestGroup, Visitor> _visitors = [];

    // Let in and on their way to the scheduler, and those that wait there.
    private int _entered;
    private int _waiting;
    private long _arrivals;
    private bool _closed;

    /// <summary>What the room knows of a request.</summary>
    public enum Entry
    {
        /// <summary>It has not been let in.</summary>
        Outside,

        /// <summary>The step loop has it, or will have it.</summary>
        Inside,

        /// <summary>It ended before it was let in.</summary>
        Aborted,
    }

    /// <summary>Requests that have not been let in yet.</summary>
    public int Outside
    {
        get
        {
            lock (_lock) return _outside.Count;
        }
    }

    /// <summary>Waits until there is room. Returns false if the request is aborted before, by its id.</summary>
    public async ValueTask<bool> EnterAsync(RequestGroup request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Visitor visitor;
        lock (_lock)
        {
            if (request.Entry == Entry.Aborted) return false;
            if (_closed || request.GoesOn || (_outside.Count == 0 && HasRoomFor(request)))
            {
                LetIn(request);
                return true;
            }

            visitor = new Visitor(request, _arrivals++);
            _outside.Add(visitor);
            _visitors.Add(request, visitor);
            LetInWhoeverFits();
        }

        await using (cancellationToken.UnsafeRegister(_ => TryAbort(request), null)) if (await visitor.Entered.Task) return true;
        cancellationToken.ThrowIfCancellationRequested();
        return false;
    }

    /// <summary>Ends the waiting of a request that has not been let in, or keeps it from coming; returns false if it is inside.</summary>
    public bool TryAbort(RequestGroup request)
    {
        lock (_lock)
        {
            if (request.Entry == Entry.Inside) return false;
            request.Entry = Entry.Aborted;
            if (!_visitors.Remove(request, out var visitor)) return true;
            _outside.Remove(visitor);
            visitor.Entered.SetResult(false);
            LetInWhoeverFits();
            return true;
        }
    }

    /// <summary>Notes how many sequences of requests that were let in have come to the scheduler since, and how many wait there.</summary>
    public void Update(int arrived, int waiting)
    {
        lock (_lock)
        {
            _entered -= arrived;
            _waiting = waiting;
            LetInWhoeverFits();
        }
    }

    /// <summary>Lets everyone go on: what is behind the room is closed, and says so.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            LetInWhoeverFits();
        }
    }

    private bool HasRoomFor(RequestGroup request)
    {
        var inside = _entered + _waiting;
        return inside == 0 || request.Sequences.Count <= limit - inside;
    }

    private void LetIn(RequestGroup request)
    {
        request.Entry = Entry.Inside;
        _entered += request.Sequences.Count;
    }

    /// <summary>Strictly in order, so that a request of many sequences has its turn.</summary>
    private void LetInWhoeverFits()
    {
        while (_outside.Min is { } next && (_closed || HasRoomFor(next.Request)))
        {
            _outside.Remove(next);
            _visitors.Remove(next.Request);
            LetIn(next.Request);
            next.Entered.SetResult(true);
        }
    }

    private static Comparer<Visitor> OrderOf(SchedulingPolicy policy) => policy == SchedulingPolicy.Priority
        ? Comparer<Visitor>.Create((a, b) => (a.Request.Priority, a.Arrival).CompareTo((b.Request.Priority, b.Arrival)))
        : Comparer<Visitor>.Create((a, b) => a.Arrival.CompareTo(b.Arrival));

    private sealed record Visitor(RequestGroup Request, long Arrival)
    {
        public TaskCompletionSource<bool> Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
