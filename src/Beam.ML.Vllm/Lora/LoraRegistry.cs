using Beam.ML.Vllm.Engine;

namespace Beam.ML.Vllm.Lora;

/// <summary>
/// The adapters that an engine knows and those that it has in memory, of which there are at most <c>max_cpu_loras</c>. A request holds a
/// lease on its adapter; of those that nobody holds, the one that was used longest ago makes room for another. Where all are held, who asks
/// for another waits, and one of those in memory takes no new leases until it has made room: what is asked for often does not keep others
/// out. Memory is given back by the step loop alone, between two steps.
/// </summary>
internal sealed class LoraRegistry(Func<LoraRequest, LoraAdapter> load, int capacity, Action wakeLoop)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LoraRequest> _registered = new(StringComparer.Ordinal);
    private readonly Dictionary<LoraRequest, LoadedLora> _loaded = [];
    private readonly List<LoraAdapter> _retired = [];
    private readonly LoraQueues _waiting = new();
    private List<LoadedLora> _drained = [];
    private int _inMemory;
    private long _uses;
    private bool _closed;

    /// <summary>Adapters that were added by name.</summary>
    public IReadOnlyList<LoraRequest> Registered
    {
        get
        {
            lock (_lock) return [.. _registered.Values.OrderBy(r => r.Name, StringComparer.Ordinal)];
        }
    }

    public int InMemory
    {
        get
        {
            lock (_lock) return _inMemory;
        }
    }

    /// <summary>The names of adapters that are waited for.</summary>
    public IReadOnlyList<string> Awaited
    {
        get
        {
            lock (_lock) return [.. _waiting.InOrder.Select(q => q.Adapter.Name)];
        }
    }

    public LoraRequest? Find(string name)
    {
        lock (_lock) return _registered.GetValueOrDefault(name);
    }

    /// <summary>Loads an adapter and keeps its name, while nobody else uses the registry: nobody has to be waited for.</summary>
    public void Add(LoraRequest request)
    {
        var adding = AddAsync(request, CancellationToken.None);
        if (!adding.IsCompleted) throw new InvalidOperationException("There is no room for an adapter that nobody else has taken.");
        adding.GetAwaiter().GetResult();
    }

    /// <summary>Loads an adapter and keeps its name.</summary>
    public async Task AddAsync(LoraRequest request, CancellationToken cancellationToken)
    {
        using var lease = await AcquireAsync(request, cancellationToken);
        lock (_lock)
        {
            if (OtherPath(request) is { } error) throw error;
            _registered[request.Name] = request;
            foreach (var queue in _waiting.InOrder.Where(q => OtherPath(q.Adapter) is not null).ToArray())
            {
                queue.Fail(OtherPath(queue.Adapter)!);
                _waiting.Remove(queue);
            }
        }
    }

    /// <summary>Forgets a name. Requests under way keep their adapter; it leaves memory with the last of them. Returns whether there was one.</summary>
    public bool Remove(string name)
    {
        lock (_lock)
        {
            if (!_registered.Remove(name, out var request)) return false;
            if (!_loaded.Remove(request, out var entry)) return true;
            entry.IsForgotten = true;
            if (entry.Leases == 0) Retire(entry);
            Serve();
            return true;
        }
    }

    /// <summary>The adapter that a request names, loaded on the caller's thread if it is not in memory.</summary>
    /// <param name="request">The adapter.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="priority">Who waits with a lower one is served first; of equals, who came first.</param>
    public async ValueTask<LoraLease> AcquireAsync(LoraRequest request, CancellationToken cancellationToken, int priority = 0)
    {
        LoraWaiter waiter;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            if (OtherPath(request) is { } error) throw error;
            waiter = _waiting.Add(request, priority);
            Serve();
        }

        var (entry, isMine) = await GrantAsync(waiter, cancellationToken);
        if (isMine) Load(entry);
        try
        {
            return new LoraLease(this, entry, await entry.Adapter.Task.WaitAsync(cancellationToken));
        }
        catch
        {
            Release(entry);
            throw;
        }
    }

    public void Release(LoadedLora entry)
    {
        lock (_lock)
        {
            entry.LastUse = ++_uses;
            if (--entry.Leases > 0) return;
            if (entry.IsForgotten) Retire(entry);
            Serve();
        }
    }

    /// <summary>Adapters that nobody holds any more. Whoever held one has told the step loop before that its request is over.</summary>
    public IReadOnlyList<LoraAdapter> TakeRetired()
    {
        lock (_lock)
        {
            if (_retired.Count == 0) return [];
            LoraAdapter[] retired = [.. _retired];
            _retired.Clear();
            return retired;
        }
    }

    /// <summary>Frees everything; the step loop has ended.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            foreach (var entry in _loaded.Values)
            {
                if (entry.Adapter.Task.IsCompletedSuccessfully) entry.Adapter.Task.Result.Dispose();
            }

            foreach (var adapter in _retired) adapter.Dispose();
            _loaded.Clear();
            _retired.Clear();
            foreach (var queue in _waiting.InOrder.ToArray())
            {
                queue.Fail(new ObjectDisposedException(nameof(LoraRegistry)));
                _waiting.Remove(queue);
            }
        }
    }

    private async Task<LoraGrant> GrantAsync(LoraWaiter waiter, CancellationToken cancellationToken)
    {
        try
        {
            return await waiter.Granted.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            lock (_lock)
            {
                if (_waiting.Remove(waiter))
                {
                    Serve();
                    throw;
                }
            }

            // It was served at that very moment, and others may count on it to load the adapter.
            return await waiter.Granted.Task;
        }
    }

    /// <summary>
    /// Gives leases to those that wait, in their order, as far as there is room. It looks at no more of them than it serves, and as many as
    /// there are adapters in memory.
    /// </summary>
    private void Serve()
    {
        if (_waiting.Count == 0 && _drained.Count == 0) return;

        // What is drained is told anew each time; who goes on being drained is preferred, so that it comes to an end.
        var drainedBefore = _drained;
        foreach (var entry in drainedBefore) entry.IsDrained = false;
        _drained = [];
        Queue<LoadedLora>? toDrain = null;
        var roomToCome = _inMemory - _loaded.Count;
        var served = new List<LoraQueue>();
        var isFull = false;
        foreach (var queue in _waiting.InOrder)
        {
            if (_loaded.TryGetValue(queue.Adapter, out var entry))
            {
                if (entry.IsDrained) continue;
            }
            else if (!isFull && MakeRoom())
            {
                _loaded.Add(queue.Adapter, entry = new LoadedLora(queue.Adapter));
                _inMemory++;
            }
            else
            {
                isFull = true;
                toDrain ??= new(_loaded.Values.OrderBy(e => !drainedBefore.Contains(e)).ThenBy(e => e.Leases).ThenBy(e => e.LastUse));
                if (roomToCome-- <= 0 && toDrain.TryDequeue(out var next)) Drain(next);

                // There is no room for others, and those in memory take nobody.
                if (_drained.Count == _loaded.Count) break;
                continue;
            }

            // All that wait for it, also those that came after others: an adapter in memory serves many.
            Give(queue, entry);
            served.Add(queue);
        }

        foreach (var queue in served) _waiting.Remove(queue);
    }

    private void Drain(LoadedLora entry)
    {
        entry.IsDrained = true;
        _drained.Add(entry);
    }

    /// <summary>Gives leases to a whole queue; the first has to load the adapter, if nobody has before.</summary>
    private static void Give(LoraQueue queue, LoadedLora entry)
    {
        foreach (var waiter in queue.Waiters)
        {
            entry.Leases++;
            waiter.Granted.SetResult(new LoraGrant(entry, IsMine: !entry.IsBeingLoaded));
            entry.IsBeingLoaded = true;
        }
    }

    private void Load(LoadedLora entry)
    {
        try
        {
            var adapter = load(entry.Request);
            lock (_lock)
            {
                if (_closed) adapter.Dispose();
                entry.Adapter.SetResult(adapter);
            }
        }
        catch (Exception e)
        {
            lock (_lock)
            {
                if (!entry.IsForgotten) _loaded.Remove(entry.Request);
                entry.IsForgotten = true;
            }

            entry.Adapter.SetException(e);
        }
    }

    private bool MakeRoom()
    {
        if (_inMemory < capacity) return true;
        LoadedLora? oldest = null;
        foreach (var entry in _loaded.Values)
        {
            if (entry.Leases == 0 && (oldest is null || entry.LastUse < oldest.LastUse)) oldest = entry;
        }

        if (oldest is null) return false;
        _loaded.Remove(oldest.Request);
        Retire(oldest);
        return true;
    }

    private void Retire(LoadedLora entry)
    {
        _inMemory--;
        if (!entry.Adapter.Task.IsCompletedSuccessfully || _closed) return;
        _retired.Add(entry.Adapter.Task.Result);
        wakeLoop();
    }

    private InvalidRequestException? OtherPath(LoraRequest request) => _registered.TryGetValue(request.Name, out var known) && known != request
        ? new InvalidRequestException($"The adapter '{request.Name}' is known with the path '{known.Path}', not '{request.Path}'; remove it first, or choose another name.")
        : null;
}
