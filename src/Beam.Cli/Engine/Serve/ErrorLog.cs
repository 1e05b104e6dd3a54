using Microsoft.Extensions.Logging;

namespace Beam.Cli.Engine.Serve;

/// <summary>Writes the server's requests, warnings and errors where the tool's own go, a line each and what failed below.</summary>
internal sealed class ErrorLog(TextWriter error) : ILoggerProvider
{
    private readonly TextWriter _error = TextWriter.Synchronized(error);

    public ILogger CreateLogger(string categoryName) => new Logger(_error);

    public void Dispose()
    {
    }

    private sealed class Logger(TextWriter error) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) error.WriteLine($"{DateTime.UtcNow:u} {(logLevel == LogLevel.Information ? "" : $"{logLevel}: ")}{formatter(state, exception)}{(exception is null ? "" : $"\n{exception}")}");
        }
    }
}
