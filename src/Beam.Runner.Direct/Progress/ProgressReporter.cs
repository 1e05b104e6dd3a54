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
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                var line = Describe(_progress, Stopwatch.GetElapsedTime(_started));
                if (_isLive) _console.Show(line);
                else _console.WriteLine(line);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>Of the running stages the one with the most left.</summary>
    internal static string Describe(JobProgress progress, TimeSpan elapsed)
    {
        var text = new StringBuilder();
        var culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"{elapsed:m\\:ss}  stage {Math.Min(progress.StagesDone + 1, progress.TotalStages)}/{progress.TotalStages}");
        if (!progress.HasStarted) return text.Append("  starting workers").ToString();
        text.Append(culture, $"  workers {progress.Workers}");
        if (progress.Retries > 0) text.Append(culture, $"  retries {progress.Retries}");
        if (progress.RunningStages is [var stage, ..])
        {
            text.Append(culture, $"  {stage.Name}: {stage.ElementsDone:N0}/{stage.Elements:N0} elements");
            if (stage.Rate is { } perSecond) text.Append(culture, $", {perSecond:N0}/s");
            if (stage.Bundles > 0) text.Append(culture, $", bundles {stage.BundlesDone}/{stage.Bundles}");
        }

        return text.ToString();
    }
}
