using System.Diagnostics;

namespace Beam.Harness;

/// <summary>Looks at every running bundle now and then, to tell how long each transform takes.</summary>
internal sealed class ExecutionSampler : IAsyncDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly HashSet<ExecutionTracker> _running = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _sampling;

    public ExecutionSampler() => _sampling = SampleAsync();

    public void Add(ExecutionTracker tracker)
    {
        lock (_lock) _running.Add(tracker);
    }

    public void Remove(ExecutionTracker tracker)
    {
        lock (_lock) _running.Remove(tracker);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _sampling;
        _stop.Dispose();
    }

    private async Task SampleAsync()
    {
        using var timer = new PeriodicTimer(Period);
        var last = Stopwatch.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                var now = Stopwatch.GetTimestamp();
                var elapsed = (long)Stopwatch.GetElapsedTime(last, now).TotalMilliseconds;
                last = now;
                lock (_lock)
                {
                    foreach (var tracker in _running) tracker.Sample(elapsed);
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
    }
}
