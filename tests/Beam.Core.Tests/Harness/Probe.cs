using System.Collections.Concurrent;

namespace Beam.Core.Tests.Harness;

/// <summary>What functions that travelled tell the test that made them. Functions carry the name of their test's probe.</summary>
internal sealed class Probe
{
    private static readonly ConcurrentDictionary<string, Probe> All = new();

    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ConcurrentQueue<string> Events { get; } = new();

    /// <summary>Ends when a function has come to where the test waits for it.</summary>
    public Task Reached => _reached.Task;

    /// <summary>Opened by the test to let functions go on.</summary>
    public ManualResetEventSlim Gate { get; } = new();

    /// <summary>The same for asynchronous functions.</summary>
    public TaskCompletionSource AsyncGate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Counter;
    public int Highest;

    public static Probe Of(string name) => All.GetOrAdd(name, _ => new Probe());

    public void Reach() => _reached.TrySetResult();

    public void Add(string happened) => Events.Enqueue(happened);

    /// <summary>Counts one more that is in progress.</summary>
    public int Enter()
    {
        var now = Interlocked.Increment(ref Counter);
        int before;
        while ((before = Volatile.Read(ref Highest)) < now && Interlocked.CompareExchange(ref Highest, now, before) != before)
        {
        }

        return now;
    }

    public void Leave() => Interlocked.Decrement(ref Counter);
}
