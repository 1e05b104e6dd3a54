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
    private readonly TextWriter _output;
    private readonly bool _isLive;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private readonly long _started = Stopwatch.GetTimestamp();
    private int _shown;

    public ProgressReporter(JobProgress progress, TextWriter output, bool isLive)
    {
        (_progress, _output, _isLive) = (progress, output, isLive);
        _running = RunAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        if (_shown > 0) _output.Write("\r" + new string(' ', _shown) + "\r");
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
                Show(Describe(slowest, rate));
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

    private void Show(string line)
    {
        if (!_isLive)
        {
            _output.WriteLine(line);
            return;
        }

        var width = Math.Max(20, Width() - 1);
        if (line.Length > width) line = line[..(width - 1)] + "…";
        _output.Write("\r" + line.PadRight(_shown));
        _shown = line.Length;
    }

    private static int Width()
    {
        try
        {
            return Console.WindowWidth;
        }
        catch (IOException)
        {
            return 120;
        }
    }
}
