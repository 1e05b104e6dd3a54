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
    private readonly Dictionary<LoraRequest, Entry> _loaded = [];
    private readonly List<LoraAdapter> _retired = [];
    private readonly SortedSet<Waiter> _waiting = new(Comparer<Waiter>.Create((a, b) => (a.Priority, a.Arrival).CompareTo((b.Priority, b.Arrival))));
    private int _inMemory;
    private long _arrivals;
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
        Waiter waiter;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            _waiting.Add(waiter = new Waiter(request, priority, _arrivals++));
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

    public void Release(Entry entry)
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
            foreach (var waiter in _waiting) waiter.Granted.SetException(new ObjectDisposedException(nameof(LoraRegistry)));
            _waiting.Clear();
        }
    }

    private async Task<Grant> GrantAsync(Waiter waiter, CancellationToken cancellationToken)
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

    /// <summary>Gives leases to those that wait, in their order, as far as there is room.</summary>
    private void Serve()
    {
        if (_waiting.Count == 0 && !_loaded.Values.Any(e => e.IsDrained)) return;

        // What is drained is told anew each time; who goes on being drained is preferred, so that it comes to an end.
        var drained = _loaded.Values.Where(e => e.IsDrained).ToHashSet();
        foreach (var entry in drained) entry.IsDrained = false;
        var roomToCome = _inMemory - _loaded.Count;
        HashSet<LoraRequest> outside = [];
        foreach (var waiter in _waiting.ToArray())
        {
            // Who came for an adapter that has just been loaded has been served with the first.
            if (waiter.Granted.Task.IsCompleted) continue;
            if (OtherPath(waiter.Request) is { } error)
            {
                _waiting.Remove(waiter);
                waiter.Granted.SetException(error);
            }
            else if (_loaded.TryGetValue(waiter.Request, out var entry))
            {
                if (!entry.IsDrained) Give(waiter, entry, isMine: false);
            }
            else if (MakeRoom())
            {
                _loaded.Add(waiter.Request, entry = new Entry(waiter.Request));
                _inMemory++;
                Give(waiter, entry, isMine: true);

                // All that wait for it, also those that came after others: an adapter that is loaded serves many.
                foreach (var other in _waiting.Where(w => w.Request == waiter.Request).ToArray()) Give(other, entry, isMine: false);
            }
            else if (outside.Add(waiter.Request) && outside.Count > roomToCome)
            {
                var next = _loaded.Values.Where(e => !e.IsDrained).OrderBy(e => !drained.Contains(e)).ThenBy(e => e.Leases).ThenBy(e => e.LastUse).FirstOrDefault();
                if (next is not null) next.IsDrained = true;
            }
        }
    }

    private void Give(Waiter waiter, Entry entry, bool isMine)
    {
        entry.Leases++;
        _waiting.Remove(waiter);
        waiter.Granted.SetResult(new Grant(entry, isMine));
    }

    private void Load(Entry entry)
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
        Entry? oldest = null;
        foreach (var entry in _loaded.Values)
        {
            if (entry.Leases == 0 && (oldest is null || entry.LastUse < oldest.LastUse)) oldest = entry;
        }

        if (oldest is null) return false;
        _loaded.Remove(oldest.Request);
        Retire(oldest);
        return true;
    }

    private void Retire(Entry entry)
    {
        _inMemory--;
        if (!entry.Adapter.Task.IsCompletedSuccessfully || _closed) return;
        _retired.Add(entry.Adapter.Task.Result);
        wakeLoop();
    }

    private InvalidRequestException? OtherPath(LoraRequest request) => _registered.TryGetValue(request.Name, out var known) && known != request
        ? new InvalidRequestException($"The adapter '{request.Name}' is known with the path '{known.Path}', not '{request.Path}'; remove it first, or choose another name.")
        : null;

    /// <summary>An adapter in memory, or on its way there.</summary>
    internal sealed class Entry(LoraRequest request)
    {
        public LoraRequest Request => request;

        public TaskCompletionSource<LoraAdapter> Adapter { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Leases { get; set; }

        public long LastUse { get; set; }

        /// <summary>No longer to be found; it goes when its last lease does.</summary>
        public bool IsForgotten { get; set; }

        /// <summary>It gives no more leases, so that one who waits for another adapter gets its room.</summary>
        public bool IsDrained { get; set; }
    }

    /// <param name="Entry">What the lease is on.</param>
    /// <param name="IsMine">Whether its holder has to load it.</param>
    private readonly record struct Grant(Entry Entry, bool IsMine);

    private sealed class Waiter(LoraRequest request, int priority, long arrival)
    {
        public LoraRequest Request => request;

        public int Priority => priority;

        public long Arrival => arrival;

        public TaskCompletionSource<Grant> Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>A request's hold on its adapter: as long as it lasts, the adapter stays in memory.</summary>
internal sealed class LoraLease(LoraRegistry registry, LoraRegistry.Entry entry, LoraAdapter adapter) : IDisposable
{
    private bool _released;

    public LoraAdapter Adapter => adapter;

    public void Dispose()
    {
        if (_released) return;
        _released = true;
        registry.Release(entry);
    }
}
