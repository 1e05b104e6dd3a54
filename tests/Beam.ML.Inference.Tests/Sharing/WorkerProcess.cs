using System.Collections.Concurrent;
using System.Globalization;
using Beam.Processes;

namespace Beam.ML.Inference.Tests.Sharing;

/// <summary>A <see cref="WorkerEntry"/> in its process.</summary>
internal sealed class WorkerProcess : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly ChildProcess process;
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> report = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<string> errors = new();

    public WorkerProcess(string workDirectory, string id, int copies = 1, int requests = 0)
    {
        Id = id;
        process = ChildProcess.Start<WorkerEntry>(new ChildProcessOptions
        {
            Name = id,
            Arguments = [workDirectory, id, copies.ToString(CultureInfo.InvariantCulture), requests.ToString(CultureInfo.InvariantCulture)],
            StandardOutput = line =>
            {
                if (line == "ready") ready.TrySetResult();
                else report.TrySetResult(line);
            },
            StandardError = errors.Enqueue,
        });
    }

    public string Id { get; }

    public int ProcessId => process.Id;

    /// <summary>Waits until the worker has its model.</summary>
    public async Task ReadyAsync()
    {
        var first = await Task.WhenAny(ready.Task, report.Task, process.Exited).WaitAsync(Patience);
        if (first != ready.Task) Assert.Fail($"{Id} did not get its model: {await ReportAsync()}");
    }

    /// <summary>What the worker says at its end.</summary>
    public async Task<string> ReportAsync()
    {
        var first = await Task.WhenAny(report.Task, process.Exited).WaitAsync(Patience);
        return report.Task.IsCompleted || first == report.Task
            ? await report.Task
            : $"exit code {await process.Exited}: {string.Join(" | ", errors)}";
    }

    public void Kill() => process.Kill();

    public Task StopAsync() => process.StopAsync(Patience);

    public Task ExitedAsync() => process.Exited.WaitAsync(Patience);

    public ValueTask DisposeAsync() => process.DisposeAsync();
}
