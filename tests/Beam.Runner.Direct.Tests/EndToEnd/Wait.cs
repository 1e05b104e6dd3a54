using System.Diagnostics;

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
