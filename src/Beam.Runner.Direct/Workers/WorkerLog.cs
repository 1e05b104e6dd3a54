using System.Globalization;
using Beam.Model.FnExecution;

namespace Beam.Runner.Direct.Workers;

/// <summary>Writes what workers log and print to one place, each line under the worker's id.</summary>
internal sealed class WorkerLog(Action<string> writeLine, SdkHarnessLogLevel minimum)
{
    /// <summary>Takes an entry of a worker's log stream.</summary>
    public void Write(string workerId, LogEntry entry)
    {
        if (Severity(entry.Severity) < minimum) return;
        var time = entry.Timestamp is { } stamp ? stamp.ToDateTimeOffset() : DateTimeOffset.UtcNow;
        writeLine(string.Create(CultureInfo.InvariantCulture,
            $"{time.ToLocalTime():HH:mm:ss.fff} {Severity(entry.Severity).ToString().ToUpperInvariant()} [{workerId}] {entry.Message}"));
        if (entry.Trace.Length > 0) writeLine(entry.Trace);
    }

    /// <summary>Takes an entry of the runner's own.</summary>
    public void Write(SdkHarnessLogLevel level, string source, string message)
    {
        if (level < minimum) return;
        writeLine(string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.Now:HH:mm:ss.fff} {level.ToString().ToUpperInvariant()} [{source}] {message}"));
    }

    /// <summary>Takes a line that a worker process printed.</summary>
    public void WriteLine(string workerId, string line) => writeLine($"[{workerId}] {line}");

    private static SdkHarnessLogLevel Severity(LogEntry.Types.Severity.Types.Enum severity) => severity switch
    {
        LogEntry.Types.Severity.Types.Enum.Trace => SdkHarnessLogLevel.Trace,
        LogEntry.Types.Severity.Types.Enum.Debug => SdkHarnessLogLevel.Debug,
        LogEntry.Types.Severity.Types.Enum.Notice => SdkHarnessLogLevel.Notice,
        LogEntry.Types.Severity.Types.Enum.Warn => SdkHarnessLogLevel.Warn,
        LogEntry.Types.Severity.Types.Enum.Error => SdkHarnessLogLevel.Error,
        LogEntry.Types.Severity.Types.Enum.Critical => SdkHarnessLogLevel.Critical,
        _ => SdkHarnessLogLevel.Info,
    };
}
