using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Beam.ML.Inference.Sharing;
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

/// <summary>What the tests see of the hosts from outside.</summary>
internal static class Hosts
{
    /// <summary>The records of the copies that were published in a work directory.</summary>
    public static IReadOnlyList<HostRecord> Of(string workDirectory)
    {
        var models = Path.Combine(workDirectory, "models");
        if (!Directory.Exists(models)) return [];
        return [.. Directory.EnumerateFiles(models, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(Read).OfType<HostRecord>()];
    }

    /// <summary>The ready host of the only copy, of at least the given generation.</summary>
    public static async Task<HostRecord> ReadyAsync(string workDirectory, long generation = 1)
    {
        using var timeout = new CancellationTokenSource(WorkerProcess.Patience);
        while (true)
        {
            if (Of(workDirectory) is [{ IsReady: true } record] && record.Generation >= generation) return record;
            await Task.Delay(20, timeout.Token);
        }
    }

    public static void Kill(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            process.Kill();
        }
        catch (ArgumentException)
        {
            // It is gone.
        }
    }

    /// <summary>Waits until a process is gone.</summary>
    public static async Task AssertGoneAsync(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            using var timeout = new CancellationTokenSource(WorkerProcess.Patience);
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (ArgumentException)
        {
            // It is gone.
        }
    }

    /// <summary>The processes whose command line names a work directory: its hosts and its workers. Linux only.</summary>
    public static IReadOnlyList<int> ProcessesOf(string workDirectory)
    {
        if (!OperatingSystem.IsLinux()) return [];
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id)) continue;
            try
            {
                if (File.ReadAllText(Path.Combine(folder, "cmdline")).Contains(workDirectory, StringComparison.Ordinal)) found.Add(id);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Gone, or somebody else's.
            }
        }

        return found;
    }

    private static HostRecord? Read(string path)
    {
        try
        {
            return System.Text.Json.JsonSerializer.Deserialize(File.ReadAllBytes(path), HostRecordJson.Default.HostRecord);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
