using System.Diagnostics;
using System.Globalization;

namespace Beam.Runner.Direct.Tests.EndToEnd;

/// <summary>Waits for what happens outside this process, where nobody can notify.</summary>
internal static class Wait
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    public static async Task UntilAsync(Func<bool> condition)
    {
        for (var started = Stopwatch.GetTimestamp(); !condition();)
        {
            Assert.That(Stopwatch.GetElapsedTime(started), Is.LessThan(Patience), "waited in vain");
            await Task.Delay(20);
        }
    }

    /// <summary>
    /// The processes that have this text on their command line, as every worker has its job's folder; empty where the system does not tell.
    /// </summary>
    public static IReadOnlyList<int> ProcessesThatName(string text)
    {
        if (!OperatingSystem.IsLinux()) return [];
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id)) continue;
            try
            {
                if (File.ReadAllText(Path.Combine(folder, "cmdline")).Contains(text, StringComparison.Ordinal) && IsRunning(id)) found.Add(id);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has ended meanwhile, or is somebody else's.
            }
        }

        return found;
    }

    /// <summary>Whether a process runs; one that has ended and that nobody has asked about does not.</summary>
    public static bool IsRunning(int processId)
    {
        try
        {
            if (OperatingSystem.IsLinux())
            {
                var stat = File.ReadAllText($"/proc/{processId}/stat");
                return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
            }

            using var process = Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (Exception e) when (e is IOException or ArgumentException or InvalidOperationException)
        {
            return false;
        }
    }
}
