using System.Diagnostics;
using Beam.ML.Inference.Sharing;

namespace Beam.ML.Inference.Tests.Sharing;

public sealed class LeftoverHostTests
{
    [Test]
    public async Task A_process_is_ended_only_if_it_is_the_one_that_was_recorded()
    {
        if (OperatingSystem.IsWindows()) Assert.Ignore("There is no sleep to start here.");
        using var process = Process.Start("sleep", ["600"]);
        var started = LeftoverHost.StartOf(process.Id);
        Assert.That(started, Is.Not.Null.And.EqualTo(LeftoverHost.StartOf(process.Id)));
        await LeftoverHost.EndAsync(Record(process.Id, started!.Value - TimeSpan.TicksPerMinute), CancellationToken.None);
        Assert.That(process.HasExited, Is.False);
        await LeftoverHost.EndAsync(Record(process.Id, started.Value), CancellationToken.None);
        await process.WaitForExitAsync();
        Assert.That(LeftoverHost.StartOf(process.Id), Is.Null);
    }

    [Test]
    public async Task A_process_that_has_ended_and_that_nobody_waits_for_is_not_waited_for_either()
    {
        if (!OperatingSystem.IsLinux()) Assert.Ignore("Only /proc shows processes that ended and were not waited for.");
        // The shell becomes a program that never waits for the child it had before.
        using var parent = Process.Start(new ProcessStartInfo("sh", ["-c", "sleep 1 & echo $!; exec sleep 600"]) { RedirectStandardOutput = true })!;
        try
        {
            var child = int.Parse((await parent.StandardOutput.ReadLineAsync())!, System.Globalization.CultureInfo.InvariantCulture);
            string stat;
            while (!(stat = await File.ReadAllTextAsync($"/proc/{child}/stat")).Contains(") Z ", StringComparison.Ordinal)) await Task.Delay(10);
            var started = long.Parse(stat.Split(' ')[21], System.Globalization.CultureInfo.InvariantCulture);
            await LeftoverHost.EndAsync(Record(child, started), CancellationToken.None).WaitAsync(WorkerProcess.Patience);
            Assert.That(LeftoverHost.StartOf(child), Is.Null);
        }
        finally
        {
            parent.Kill();
        }
    }

    private static HostRecord Record(int processId, long started) =>
        new() { Generation = 1, ProcessId = processId, ProcessStarted = started, OwnerWorker = "worker", Socket = "", Token = "" };
}
