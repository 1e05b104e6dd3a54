using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Beam.ML.Inference.Sharing;

namespace Beam.ML.Inference.Tests.Sharing;

/// <summary>What the tests see of the hosts from outside.</summary>
internal static class Hosts
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);

    /// <summary>The records of the copies that were published anywhere in a folder.</summary>
    public static IReadOnlyList<HostRecord> Of(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFiles(folder, "*.json", SearchOption.AllDirectories)
                .Where(path => path.Contains($"{Path.DirectorySeparatorChar}models{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal).Select(Read).OfType<HostRecord>()];
        }
        catch (DirectoryNotFoundException)
        {
            // A folder went while it was looked at.
            return [];
        }
    }

    /// <summary>The ready host of the only copy, of at least the given generation.</summary>
    public static Task<HostRecord> ReadyAsync(string folder, long generation = 1) =>
        UntilAsync(() => Of(folder) is [{ IsReady: true } record] && record.Generation >= generation ? record : null);

    /// <summary>The host of the only copy, of at least the given generation, as soon as it has requests in flight.</summary>
    public static async Task<HostRecord> BusyAsync(string folder, long generation)
    {
        while (true)
        {
            var record = await ReadyAsync(folder, generation);
            try
            {
                await using var channel = HostChannel.To(record);
                await UntilAsync(async () => (await channel.BeatAsync(Patience, CancellationToken.None)).RequestsInFlight > 0 ? record : null);
                return record;
            }
            catch (HostLostException)
            {
                // Its record outlived it.
            }
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
            using var timeout = new CancellationTokenSource(Patience);
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (ArgumentException)
        {
            // It is gone.
        }
    }

    /// <summary>Asserts that no process is left whose command line names a folder, whoever its parent is by now. Linux only.</summary>
    public static async Task AssertNothingIsLeftAsync(string folder)
    {
        var since = Stopwatch.GetTimestamp();
        while (ProcessesOf(folder) is { Count: > 0 } left)
        {
            if (Stopwatch.GetElapsedTime(since) > TimeSpan.FromSeconds(60))
                Assert.Fail($"Still there: {string.Join("; ", left.Select(process => $"{process.Id} {string.Join(' ', process.Arguments)}"))}");
            await Task.Delay(PollInterval);
        }
    }

    /// <summary>The processes whose command line names a folder: programs, workers and hosts. Linux only.</summary>
    public static IReadOnlyList<FoundProcess> ProcessesOf(string folder)
    {
        if (!OperatingSystem.IsLinux()) return [];
        var found = new List<FoundProcess>();
        foreach (var path in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out var id)
                && FoundProcess.Read(id) is { } process && process.Arguments.Any(argument => argument.Contains(folder, StringComparison.Ordinal)))
            {
                found.Add(process);
            }
        }

        return found;
    }

    private static Task<T> UntilAsync<T>(Func<T?> look) where T : class => UntilAsync(() => Task.FromResult(look()));

    private static async Task<T> UntilAsync<T>(Func<Task<T?>> look) where T : class
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (true)
        {
            if (await look() is { } found) return found;
            await Task.Delay(PollInterval, timeout.Token);
        }
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

/// <summary>A process in /proc.</summary>
internal sealed record FoundProcess(int Id, string[] Arguments)
{
    /// <summary>The copy of a model that this process hosts, or null if it is none.</summary>
    public string? Copy => IsRunning("ModelHostProcess") && Arguments.FirstOrDefault(a => a.EndsWith(".sock", StringComparison.Ordinal)) is { } socket
        ? $"{Path.GetDirectoryName(Arguments.First(a => a.EndsWith("handler", StringComparison.Ordinal)))}/{Path.GetFileName(socket).Split('-')[0]}"
        : null;

    public bool IsRunning(string entry) => Arguments.Any(a => a.Contains(entry, StringComparison.Ordinal));

    /// <summary>The process of an id; null if it is gone, or a zombie, which has no command line.</summary>
    public static FoundProcess? Read(int id)
    {
        try
        {
            var line = File.ReadAllText($"/proc/{id}/cmdline");
            return line.Length == 0 ? null : new FoundProcess(id, line.Split('\0', StringSplitOptions.RemoveEmptyEntries));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public static int ParentOf(int id) =>
        int.Parse(File.ReadAllLines($"/proc/{id}/status").First(line => line.StartsWith("PPid:", StringComparison.Ordinal))[5..], CultureInfo.InvariantCulture);
}

/// <summary>Looks again and again which processes host the models of a folder, and remembers whenever a copy had two.</summary>
internal sealed class HostSampler : IAsyncDisposable
{
    private readonly CancellationTokenSource end = new();
    private readonly ConcurrentDictionary<string, bool> copies = new();
    private readonly ConcurrentQueue<string> twins = new();
    private readonly Task sampling;

    public HostSampler(string folder) => sampling = Task.Run(() => SampleAsync(folder));

    /// <summary>How many copies had a host at any time.</summary>
    public int Copies => copies.Count;

    /// <summary>What was seen of copies with two hosts at a time; nothing of the kind should be.</summary>
    public IReadOnlyCollection<string> Twins => twins;

    public int Samples { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        await sampling;
        end.Dispose();
    }

    private async Task SampleAsync(string folder)
    {
        while (!end.IsCancellationRequested)
        {
            foreach (var hosts in Hosts.ProcessesOf(folder).Where(process => process.Copy is not null).GroupBy(process => process.Copy!))
            {
                copies.TryAdd(hosts.Key, true);
                // Looking takes a while, in which one may have ended and the next begun: only what is there still was there together.
                if (hosts.Count() > 1 && hosts.Count(host => FoundProcess.Read(host.Id) is not null) > 1)
                    twins.Enqueue($"{hosts.Key}: {string.Join(", ", hosts.Select(host => host.Id))}");
            }

            Samples++;
            await Task.Delay(TimeSpan.FromMilliseconds(50)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
