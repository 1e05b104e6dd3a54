using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Beam.Runner.Direct.Progress;

/// <summary>Shows a job's progress: one line that is rewritten on a terminal, a line every few seconds elsewhere.</summary>
internal sealed class ProgressReporter : IAsyncDisposable
{
    private static readonly TimeSpan LiveInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(5);

    private readonly JobProgress _progress;
    private readonly LiveConsole _console;
    private readonly bool _isLive;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private readonly long _started = Stopwatch.GetTimestamp();

    public ProgressReporter(JobProgress progress, LiveConsole console, bool isLive)
    {
        (_progress, _console, _isLive) = (progress, console, isLive);
        _running = RunAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _console.Show("");
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(_isLive ? LiveInterval : LogInterval);
        var (name, done, at) = ("", 0L, Stopwatch.GetTimestamp());
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                var slowest = _progress.RunningStages.FirstOrDefault();
                var now = Stopwatch.GetTimestamp();
                double? rate = slowest is not null && slowest.Name == name
                    ? Math.Max(0, slowest.ElementsDone - done) / Stopwatch.GetElapsedTime(at, now).TotalSeconds
                    : null;
                (name, done, at) = (slowest?.Name ?? "", slowest?.ElementsDone ?? 0, now);
                if (_isLive) _console.Show(Describe(slowest, rate));
                else _console.WriteLine(Describe(slowest, rate));
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private string Describe(JobProgress.StageProgress? stage, double? rate)
    {
        var text = new StringBuilder();
        var culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"{Stopwatch.GetElapsedTime(_started):m\\:ss}  stage {Math.Min(_progress.StagesDone + 1, _progress.TotalStages)}/{_progress.TotalStages}");
        text.Append(culture, $"  workers {_progress.Workers}");
        if (_progress.Retries > 0) text.Append(culture, $"  retries {_progress.Retries}");
        if (stage is not null)
        {
            text.Append(culture, $"  {stage.Name}: {stage.ElementsDone:N0}/{stage.Elements:N0} elements");
            if (rate is { } perSecond) text.Append(culture, $", {perSecond:N0}/s");
            if (stage.Bundles > 0) text.Append(culture, $", bundles {stage.BundlesDone}/{stage.Bundles}");
        }

        return text.ToString();
    }
}
