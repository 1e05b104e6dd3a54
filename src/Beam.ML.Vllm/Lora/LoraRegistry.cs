using Beam.ML.Vllm.Engine;

namespace Beam.ML.Vllm.Lora;

/// <summary>
/// The adapters that an engine knows and those that it has in memory, of which there are at most <c>max_cpu_loras</c>. A request holds a
/// lease on its adapter; of those that nobody holds, the one that was used longest ago makes room for another. Where all are held, who asks
/// for another waits. Memory is given back by the step loop alone, between two steps.
/// </summary>
internal sealed class LoraRegistry(Func<LoraRequest, LoraAdapter> load, int capacity, Action wakeLoop)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LoraRequest> _registered = new(StringComparer.Ordinal);
    private readonly Dictionary<LoraRequest, Entry> _loaded = [];
    private readonly List<LoraAdapter> _retired = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
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
            RefuseOtherPath(request);
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
            return true;
        }
    }

    /// <summary>The adapter that a request names, loaded on the calling thread if it is not in memory.</summary>
    public async ValueTask<LoraLease> AcquireAsync(LoraRequest request, CancellationToken cancellationToken)
    {
        while (true)
        {
            Entry? entry;
            var isMine = false;
            Task changed;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_closed, this);
                RefuseOtherPath(request);
                changed = _changed.Task;
                if (!_loaded.TryGetValue(request, out entry) && MakeRoom())
                {
                    _loaded.Add(request, entry = new Entry(request));
                    _inMemory++;
                    isMine = true;
                }

                if (entry is not null) entry.Leases++;
            }

            if (entry is null)
            {
                await changed.WaitAsync(cancellationToken);
                continue;
            }

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
    }

    public void Release(Entry entry)
    {
        lock (_lock)
        {
            entry.LastUse = ++_uses;
            if (--entry.Leases > 0) return;
            if (entry.IsForgotten) Retire(entry);
            Signal();
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
            Signal();
        }
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

    private void RefuseOtherPath(LoraRequest request)
    {
        if (_registered.TryGetValue(request.Name, out var known) && known != request)
            throw new InvalidRequestException($"The adapter '{request.Name}' is known with the path '{known.Path}', not '{request.Path}'; remove it first, or choose another name.");
    }

    /// <summary>Lets those that wait for room look again.</summary>
    private void Signal()
    {
        _changed.TrySetResult();
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>An adapter in memory, or on its way there.</summary>
    internal sealed class Entry(LoraRequest request)
    {
        public LoraRequest Request => request;

        public TaskCompletionSource<LoraAdapter> Adapter { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Leases { get; set; }

        public long LastUse { get; set; }

        /// <summary>No longer to be found; it goes when its last lease does.</summary>
        public bool IsForgotten { get; set; }
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
