using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>One kind of parallel work, in parts that may be computed in any order and by any thread with the same result.</summary>
internal interface IParallelWork
{
    void Run(int part, int parts);
}

/// <summary>
/// The engine's own threads. Whoever is free takes the next part, the calling thread included, and work that is done waits for no one: on
/// a busy machine a thread that does not get a processor delays nothing but the part it holds. Work is handed over without allocation;
/// a worker spins for a while before it parks, since within a step the next piece follows within microseconds. Only the thread of the
/// step loop calls <c>Run</c>.
/// </summary>
internal sealed unsafe class WorkerPool : IDisposable
{
    private const int PartsPerThread = 4;
    private const int SpinsBeforeParking = 200;

    private readonly Thread[] _threads;
    private readonly SemaphoreSlim[] _parked;
    private readonly int[] _isParked;
    private readonly int[]? _processors;
    private delegate*<void*, int, int, void> _entry;
    private void* _work;
    private Exception? _failure;
    private int _parts;
    private int _nextPart;
    private int _generation;

    /// <summary>The generation that workers may join, 0 for none. A worker that has joined and then still finds it open is waited for.</summary>
    private int _open;

    private int _joined;
    private volatile bool _stop;

    /// <param name="threads">Threads that compute, the caller's included.</param>
    /// <param name="processors">Those that the threads are bound to, the first one the caller's; null where the system places them.</param>
    public WorkerPool(int threads, int[]? processors = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        if (processors is not null) ArgumentOutOfRangeException.ThrowIfLessThan(processors.Length, threads, nameof(processors));
        _processors = processors;
        Threads = threads;
        _threads = new Thread[threads - 1];
        _parked = new SemaphoreSlim[threads - 1];
        _isParked = new int[threads - 1];
        for (var i = 0; i < _threads.Length; i++)
        {
            var worker = i;
            _parked[i] = new SemaphoreSlim(0);
            _threads[i] = new Thread(() => WorkerLoop(worker)) { IsBackground = true, Name = $"vllm-worker-{i + 1}" };
            _threads[i].Start();
        }
    }

    public int Threads { get; }

    /// <summary>Runs the work in enough parts to keep all threads busy, or in one where it is too small to share.</summary>
    public void Run<TWork>(ref TWork work, bool worthSharing = true) where TWork : struct, IParallelWork =>
        Run(ref work, Parts(worthSharing));

    /// <summary>Parts that keep all threads busy, or one for work that is too small to share.</summary>
    public int Parts(bool worthSharing) => worthSharing && Threads > 1 ? PartsPerThread * Threads : 1;

    /// <summary>Runs every part once and returns when all have ended.</summary>
    public void Run<TWork>(ref TWork work, int parts) where TWork : struct, IParallelWork
    {
        if (_threads.Length == 0 || parts == 1)
        {
            for (var part = 0; part < parts; part++) work.Run(part, parts);
            return;
        }

        // The work is a local of the caller: it stays in its place until this method returns, which is after the last part.
        _work = Unsafe.AsPointer(ref work);
        _entry = &Invoke<TWork>;
        (_failure, _parts, _nextPart) = (null, parts, 0);
        if (++_generation == 0) _generation = 1;
        Interlocked.Exchange(ref _open, _generation);
        for (var i = 0; i < _threads.Length; i++)
        {
            if (Interlocked.Exchange(ref _isParked[i], 0) == 1) _parked[i].Release();
        }

        TakeParts();
        Interlocked.Exchange(ref _open, 0);
        var spinner = default(SpinWait);
        while (Volatile.Read(ref _joined) != 0) spinner.SpinOnce(sleep1Threshold: -1);
        if (_failure is { } failure) throw new InvalidOperationException("A part of the engine's work failed: " + failure.Message, failure);
    }

    /// <summary>Binds the thread of the step loop, which calls this once, as the others are bound.</summary>
    public void BindCaller()
    {
        if (_processors is not null) ThreadBinding.Bind(_processors[0]);
    }

    public void Dispose()
    {
        if (_stop) return;
        _stop = true;
        foreach (var parked in _parked) parked.Release();
        foreach (var thread in _threads) thread.Join();
        foreach (var parked in _parked) parked.Dispose();
    }

    private static void Invoke<TWork>(void* work, int part, int parts) where TWork : struct, IParallelWork =>
        Unsafe.AsRef<TWork>(work).Run(part, parts);

    private void TakeParts()
    {
        try
        {
            for (int part; (part = Interlocked.Increment(ref _nextPart) - 1) < _parts;) _entry(_work, part, _parts);
        }
        catch (Exception e)
        {
            _failure = e;
        }
    }

    private void WorkerLoop(int worker)
    {
        if (_processors is not null) ThreadBinding.Bind(_processors[worker + 1]);
        var seen = 0;
        while ((seen = AwaitWork(worker, seen)) != 0)
        {
            // Joining is noted before it is checked that the work is still open, and the caller looks the other way round.
            Interlocked.Increment(ref _joined);
            if (Volatile.Read(ref _open) == seen) TakeParts();
            Interlocked.Decrement(ref _joined);
        }
    }

    /// <summary>Returns the generation that is open when it is not the one already seen; 0 when the pool stops.</summary>
    private int AwaitWork(int worker, int seen)
    {
        for (var i = 0; i < SpinsBeforeParking && !_stop; i++)
        {
            if (Volatile.Read(ref _open) is var open && open != 0 && open != seen) return open;
            Thread.SpinWait(20);
        }

        // A release may be left over from work that was seen without it; it clears the mark as well, so the mark is set anew before each
        // wait, and only then is it looked at whether there is work.
        while (!_stop)
        {
            Interlocked.Exchange(ref _isParked[worker], 1);
            if (Volatile.Read(ref _open) is var open && open != 0 && open != seen)
            {
                Interlocked.Exchange(ref _isParked[worker], 0);
                return open;
            }

            if (!_stop) _parked[worker].Wait();
        }

        return 0;
    }
}
