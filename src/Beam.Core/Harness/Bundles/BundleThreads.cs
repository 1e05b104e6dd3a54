using System.Globalization;

namespace Beam.Harness;

/// <summary>
/// Threads for code that may block: as many as have work, up to a limit, beyond which work waits. A thread without work ends after a while.
/// </summary>
internal sealed class BundleThreads(int limit, string namePrefix)
{
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(10);

    private readonly object _lock = new();
    private readonly Queue<Action> _work = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _threads;
    private int _idle;
    private int _started;
    private bool _stopping;

    /// <summary>Runs something that does not throw, on a thread of its own.</summary>
    public void Run(Action work)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            _work.Enqueue(work);
            if (_work.Count <= _idle)
            {
                Monitor.Pulse(_lock);
                return;
            }

            if (_threads >= limit) return;
            _threads++;
            var name = string.Create(CultureInfo.InvariantCulture, $"{namePrefix}-{++_started}");
            new Thread(Loop) { IsBackground = true, Name = name }.UnsafeStart();
        }
    }

    /// <summary>Takes no more work; the task ends when all threads have.</summary>
    public Task StopAsync()
    {
        lock (_lock)
        {
            _stopping = true;
            Monitor.PulseAll(_lock);
            if (_threads == 0) _ended.TrySetResult();
        }

        return _ended.Task;
    }

    private void Loop()
    {
        while (TryTake(out var work)) work();
    }

    private bool TryTake(out Action work)
    {
        lock (_lock)
        {
            while (!_work.TryDequeue(out work!))
            {
                _idle++;
                var pulsed = !_stopping && Monitor.Wait(_lock, IdleTime);
                _idle--;
                if (pulsed || _work.Count != 0) continue;
                if (--_threads == 0 && _stopping) _ended.TrySetResult();
                return false;
            }

            return true;
        }
    }
}
