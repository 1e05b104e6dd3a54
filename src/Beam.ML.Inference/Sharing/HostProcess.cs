using System.Diagnostics;
using System.Globalization;
using Beam.ML.Inference.Hosting;
using Beam.Processes;

namespace Beam.ML.Inference.Sharing;

/// <summary>What the hosts of a model are started with, by the worker that holds the lease.</summary>
/// <param name="OwnerWorker">That worker's id.</param>
/// <param name="ModelName">What the model is called in messages.</param>
/// <param name="Environment">Environment variables of the handler.</param>
/// <param name="Log">Gets what hosts print, and what happens to them.</param>
internal sealed record HostLaunch(string OwnerWorker, string ModelName, IReadOnlyDictionary<string, string> Environment, Action<string> Log);

/// <summary>What loading a model cost.</summary>
internal readonly record struct HostLoad(long Millis, long ModelBytes);

/// <summary>A host as its owner sees it: a child process that cannot outlive this one.</summary>
internal sealed class HostProcess : IAsyncDisposable
{
    // The runtime's own: what Environment.ProcessorCount says.
    private const string ProcessorCountVariable = "DOTNET_PROCESSOR_COUNT";
    private const int LastLines = 10;
    private static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(3);

    private readonly ChildProcess process;
    private readonly Queue<string> lastWords;

    private HostProcess(ChildProcess process, Queue<string> lastWords)
    {
        (this.process, this.lastWords) = (process, lastWords);
        StartedTicks = LeftoverHost.StartOf(process.Id) ?? 0;
    }

    public int Id => process.Id;

    /// <summary>When the process started, as <see cref="LeftoverHost.StartOf"/> tells it; 0 if it is gone already.</summary>
    public long StartedTicks { get; }

    public Task<int> Exited => process.Exited;

    public static HostProcess Start(HostLaunch launch, string handlerPath, string socket, long generation, string token, ModelSharing sharing)
    {
        var lastWords = new Queue<string>();
        var environment = launch.Environment.ToDictionary(v => v.Key, v => (string?)v.Value);
        environment[ModelHostProcess.TokenVariable] = token;
        // Several hosts share the processors: each runs as if it had its part of them only, unless the handler knows better.
        if (sharing.Copies > 1 && !environment.ContainsKey(ProcessorCountVariable))
        {
            var part = (System.Environment.ProcessorCount + sharing.Copies - 1) / sharing.Copies;
            environment[ProcessorCountVariable] = part.ToString(CultureInfo.InvariantCulture);
        }

        var process = ChildProcess.Start<ModelHostProcess>(new ChildProcessOptions
        {
            Name = $"the host of {launch.ModelName}",
            Arguments =
            [
                handlerPath, socket, generation.ToString(CultureInfo.InvariantCulture),
                sharing.MaxRequestsPerHost.ToString(CultureInfo.InvariantCulture), sharing.MaxRequestsPerWorker.ToString(CultureInfo.InvariantCulture),
                sharing.Copies.ToString(CultureInfo.InvariantCulture),
            ],
            Environment = environment,
            StandardOutput = Keep,
            StandardError = Keep,
        });
        return new HostProcess(process, lastWords);

        void Keep(string line)
        {
            lock (lastWords)
            {
                if (lastWords.Count == LastLines) lastWords.Dequeue();
                lastWords.Enqueue(line);
            }

            launch.Log(line);
        }
    }

    /// <summary>How the process ended, with the last that it printed.</summary>
    public string DescribeExit()
    {
        var code = Exited.IsCompletedSuccessfully ? Exited.Result.ToString(CultureInfo.InvariantCulture) : "unknown";
        string[] words;
        lock (lastWords) words = [.. lastWords];
        return $"The model host {Id} exited with code {code}{(words.Length == 0 ? "." : ": " + string.Join(" | ", words))}";
    }

    /// <summary>Ends the host at once, without waiting for its end.</summary>
    public void Kill() => process.Kill();

    /// <summary>Asks the host to stop, and ends it if it does not.</summary>
    public Task StopAsync() => process.StopAsync(StopGrace);

    /// <summary>Ends the host at once.</summary>
    public ValueTask DisposeAsync() => process.DisposeAsync();
}

/// <summary>
/// Ends a host whose owner is gone but which lives on, because it is stopped and so cannot see its lifeline break. Without this, two hosts
/// could hold memory for one copy.
/// </summary>
internal static class LeftoverHost
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);

    // Windows and macOS tell when a process started by a clock that may be set meanwhile.
    private static readonly long StartTolerance = OperatingSystem.IsLinux() ? 0 : TimeSpan.FromSeconds(2).Ticks;

    /// <summary>
    /// What tells a process from a later one of the same id: when it started, on Linux in clock ticks since boot, which no change of the
    /// clock touches, elsewhere in ticks of UTC. Null if there is no such process.
    /// </summary>
    public static long? StartOf(int processId)
    {
        try
        {
            if (OperatingSystem.IsLinux()) return StartOfLinux(File.ReadAllText($"/proc/{processId}/stat"));
            using var process = Process.GetProcessById(processId);
            return process.StartTime.ToUniversalTime().Ticks;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    /// <summary>
    /// Field 22 of /proc/…/stat; null for a process that has ended and was not waited for, as in a container whose first process never
    /// waits for others. The name, field 2, is in parentheses and may have any characters in it.
    /// </summary>
    private static long? StartOfLinux(string stat)
    {
        var fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > 19 && fields[0] is not ("Z" or "X") && long.TryParse(fields[19], NumberStyles.None, CultureInfo.InvariantCulture, out var start) ? start : null;
    }

    public static async Task EndAsync(HostRecord? record, CancellationToken cancellationToken)
    {
        if (record is null || record.ProcessId <= 0 || record.ProcessStarted == 0 || !IsThere(record)) return;
        try
        {
            using var process = Process.GetProcessById(record.ProcessId);
            process.Kill();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // It ended by itself.
        }

        while (IsThere(record)) await Task.Delay(PollInterval, cancellationToken);
    }

    private static bool IsThere(HostRecord record) =>
        StartOf(record.ProcessId) is { } started && Math.Abs(started - record.ProcessStarted) <= StartTolerance;
}
