using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>One kind of parallel work. It is split by part number alone, so that what a part computes never depends on timing.</summary>
internal interface IParallelWork
{
    void Run(int part, int parts);
}

/// <summary>
/// The engine's own threads. Work is handed over without allocation; a worker spins for a while before it parks, since within a step the
/// next piece follows within microseconds. Only the thread of the step loop calls <c>Run</c>.
/// </summary>
internal sealed unsafe class WorkerPool : IDisposable
{
    private const int SpinsBeforeParking = 200;

    private readonly Thread[] _threads;
    private readonly SemaphoreSlim[] _parked;
    private readonly int[] _isParked;
    private delegate*<void*, int, int, void> _entry;
    private void* _work;
    private Exception? _failure;
    private int _generation;
    private int _pending;
    private volatile bool _stop;

    /// <param name="parts">Threads that compute, the caller's included.</param>
    public WorkerPool(int parts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parts, 1);
        Parts = parts;
        _threads = new Thread[parts - 1];
        _parked = new SemaphoreSlim[parts - 1];
        _isParked = new int[parts - 1];
        for (var i = 0; i < _threads.Length; i++)
        {
            var worker = i;
            _parked[i] = new SemaphoreSlim(0);
            _threads[i] = new Thread(() => WorkerLoop(worker)) { IsBackground = true, Name = $"vllm-worker-{i + 1}" };
            _threads[i].Start();
        }
    }

    public int Parts { get; }

    /// <summary>Runs every part, part 0 on this thread, and returns when all have ended.</summary>
    public void Run<TWork>(ref TWork work) where TWork : struct, IParallelWork
    {
        if (_threads.Length == 0)
        {
            work.Run(0, 1);
            return;
        }

        // The work is a local of the caller: it stays in its place until this method returns, which is after the last part.
        _work = Unsafe.AsPointer(ref work);
        _entry = &Invoke<TWork>;
        _failure = null;
        Volatile.Write(ref _pending, _threads.Length);
        Interlocked.Increment(ref _generation);
        for (var i = 0; i < _threads.Length; i++)
        {
            if (Interlocked.Exchange(ref _isParked[i], 0) == 1) _parked[i].Release();
        }

        try
        {
            work.Run(0, Parts);
        }
        finally
        {
            var spinner = default(SpinWait);
            while (Volatile.Read(ref _pending) != 0) spinner.SpinOnce(sleep1Threshold: -1);
        }

        if (_failure is { } failure) throw new InvalidOperationException("A worker of the engine failed: " + failure.Message, failure);
    }

    /// <summary>As the other, but on this thread alone where the work is too small to share.</summary>
    public void Run<TWork>(ref TWork work, bool worthSharing) where TWork : struct, IParallelWork
    {
        if (worthSharing) Run(ref work);
        else work.Run(0, 1);
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

    private void WorkerLoop(int worker)
    {
        var seen = 0;
        while (true)
        {
            AwaitGeneration(worker, seen);
            if (_stop) return;
            seen++;
            try
            {
                _entry(_work, worker + 1, Parts);
            }
            catch (Exception e)
            {
                _failure = e;
            }

            Interlocked.Decrement(ref _pending);
        }
    }

    /// <summary>Returns when there is work after generation <paramref name="seen"/>, or the pool stops.</summary>
    private void AwaitGeneration(int worker, int seen)
    {
        for (var i = 0; i < SpinsBeforeParking; i++)
        {
            if (Volatile.Read(ref _generation) != seen || _stop) return;
            Thread.SpinWait(20);
        }

        // A release may be left over from a generation that was seen without it; it clears the mark as well, so the mark is set anew
        // before each wait, and only then is the generation looked at.
        while (true)
        {
            Interlocked.Exchange(ref _isParked[worker], 1);
            if (Volatile.Read(ref _generation) != seen || _stop) break;
            _parked[worker].Wait();
        }

        Interlocked.Exchange(ref _isParked[worker], 0);
    }
}
