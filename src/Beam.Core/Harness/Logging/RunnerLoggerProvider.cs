using System.Globalization;
using System.Threading.Channels;
using Beam.FnApi;
using Beam.Model.FnExecution;
using Microsoft.Extensions.Logging;

namespace Beam.Harness;

/// <summary>
/// Sends what is logged to the runner, in batches. It never makes a function wait: when the runner does not keep up, the oldest entries
/// go, and an entry says how many.
/// </summary>
internal sealed class RunnerLoggerProvider : ILoggerProvider, IAsyncDisposable
{
    private const int Capacity = 10_000;
    private const int MaxBatch = 256;
    private static readonly TimeSpan FlushTime = TimeSpan.FromSeconds(2);

    private readonly Channel<LogEntry> _entries;
    private readonly LogLevel _minimum;
    private long _dropped;
    private Task _sending = Task.CompletedTask;
    private CancellationTokenSource? _stop;

    public RunnerLoggerProvider(LogLevel minimum)
    {
        _minimum = minimum;
        _entries = Channel.CreateBounded<LogEntry>(
            new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true },
            _ => Interlocked.Increment(ref _dropped));
    }

    /// <summary>Sends what has been logged, and what will be, over a stream, which it owns from now on.</summary>
    public void Start(IMessageStream<LogControl, LogEntry.Types.List> stream)
    {
        _stop = new CancellationTokenSource();
        _sending = Task.Run(() => SendAsync(stream, _stop.Token));
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    /// <summary>Sends what is left and ends the stream, unless the runner takes too long to take it.</summary>
    public async ValueTask DisposeAsync()
    {
        _entries.Writer.TryComplete();
        if (_stop is null) return;
        _stop.CancelAfter(FlushTime);
        await _sending;
        _stop.Dispose();
        _stop = null;
    }

    /// <summary>Takes no more entries. <see cref="DisposeAsync"/> sends what is left.</summary>
    public void Dispose() => _entries.Writer.TryComplete();

    private async Task SendAsync(IMessageStream<LogControl, LogEntry.Types.List> stream, CancellationToken cancellationToken)
    {
        await using (stream)
        {
            try
            {
                while (await _entries.Reader.WaitToReadAsync(cancellationToken))
                {
                    var batch = new LogEntry.Types.List();
                    if (Interlocked.Exchange(ref _dropped, 0) is > 0 and var dropped)
                        batch.LogEntries.Add(Entry(LogLevel.Warning, nameof(RunnerLoggerProvider), $"{dropped} log entries were dropped because the runner did not keep up.", null));
                    while (batch.LogEntries.Count < MaxBatch && _entries.Reader.TryRead(out var entry)) batch.LogEntries.Add(entry);
                    await stream.WriteAsync(batch, cancellationToken);
                }

                await stream.CompleteAsync();
            }
            catch (Exception)
            {
                // Without a runner that listens, logs have nowhere to go; bundles notice by themselves if it is gone altogether.
            }
        }
    }

    private static LogEntry Entry(LogLevel level, string category, string message, Exception? exception)
    {
        var scope = ExecutionScope.Current;
        return new LogEntry
        {
            Severity = level switch
            {
                LogLevel.Trace => LogEntry.Types.Severity.Types.Enum.Trace,
                LogLevel.Debug => LogEntry.Types.Severity.Types.Enum.Debug,
                LogLevel.Information => LogEntry.Types.Severity.Types.Enum.Info,
                LogLevel.Warning => LogEntry.Types.Severity.Types.Enum.Warn,
                LogLevel.Error => LogEntry.Types.Severity.Types.Enum.Error,
                LogLevel.Critical => LogEntry.Types.Severity.Types.Enum.Critical,
                _ => LogEntry.Types.Severity.Types.Enum.Unspecified,
            },
            Timestamp = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTime(DateTime.UtcNow),
            Message = message,
            Trace = exception?.ToString() ?? "",
            InstructionId = scope?.InstructionId ?? "",
            TransformId = scope?.CurrentTransformId ?? "",
            LogLocation = category,
            Thread = Thread.CurrentThread.Name ?? Environment.CurrentManagedThreadId.ToString(CultureInfo.InvariantCulture),
        };
    }

    private sealed class Logger(RunnerLoggerProvider provider, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && logLevel >= provider._minimum;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel)) return;
            provider._entries.Writer.TryWrite(Entry(logLevel, category, formatter(state, exception), exception));
        }
    }
}
