namespace Beam.ML.Inference.Sharing;

/// <summary>Waits for others in time that this process has lived through.</summary>
internal static class Patience
{
    private const int Slices = 10;

    /// <summary>
    /// Whether a task ends within a time, which is waited for in slices that count for as long as they were meant to take: while this process
    /// is stopped, suspended or starved, the time of the one that it waits for does not run out. No wall clock is asked.
    /// </summary>
    public static async Task<bool> LastsAsync(Task task, TimeSpan time, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        for (var slice = 0; slice < Slices && !task.IsCompleted; slice++) await Task.WhenAny(task, Task.Delay(time / Slices, end.Token));
        cancellationToken.ThrowIfCancellationRequested();
        await end.CancelAsync();
        return task.IsCompleted;
    }

    /// <summary>Runs something for a time at most; nothing of it runs afterwards.</summary>
    /// <returns>Whether it came to its end. What it throws before, this throws.</returns>
    public static async Task<bool> TryAsync(Func<CancellationToken, Task> run, TimeSpan time, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var task = run(end.Token);
        try
        {
            if (!await LastsAsync(task, time, cancellationToken)) return false;
            await task;
            return true;
        }
        finally
        {
            await end.CancelAsync();
            await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
