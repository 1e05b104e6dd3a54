using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Beam.IO;
using Beam.Metrics;
using Beam.Runner.Direct.Engine;
using Beam.Runner.Direct.Progress;

namespace Beam.Runner.Direct;

/// <summary>A job of the <see cref="DirectRunner"/>, which runs from the moment this is made.</summary>
internal sealed class DirectPipelineResult : PipelineResult
{
    private static readonly TimeSpan SignalPatience = TimeSpan.FromSeconds(10);

    private readonly JobExecution _job;
    private readonly TemporaryFolders _temporaryFolders;
    private readonly CancellationTokenSource _cancel = new();
    private readonly Task<PipelineState> _running;
    private readonly long _started = Stopwatch.GetTimestamp();
    private long _ended;
    private int _state = (int)PipelineState.Running;
    private bool _disposed;

    public DirectPipelineResult(string jobId, JobExecution job, ProgressReporter? reporter, TemporaryFolders temporaryFolders)
    {
        (JobId, _job, _temporaryFolders) = (jobId, job, temporaryFolders);
        _running = Task.Run(() => RunAsync(reporter));
    }

    public override string JobId { get; }

    public override PipelineState State => (PipelineState)Volatile.Read(ref _state);

    public override MetricResults Metrics => _job.Metrics;

    public override Task<PipelineState> WaitUntilFinishAsync(CancellationToken cancellationToken = default) => _running.WaitAsync(cancellationToken);

    public override async Task CancelAsync(CancellationToken cancellationToken = default)
    {
        await RequestCancellationAsync();
        await ((Task)_running).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Cancels the job if it still runs: nobody would be there to see its end.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        await CancelAsync();
        _disposed = true;
        _cancel.Dispose();
    }

    private async Task<PipelineState> RunAsync(ProgressReporter? reporter)
    {
        // Ctrl-C and SIGTERM end the program as ever, but not before the job has ended its workers and deleted its folder.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, EndBeforeTheProcess);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, EndBeforeTheProcess);
        try
        {
            await _job.RunAsync(_cancel.Token);
            return Enter(PipelineState.Done);
        }
        catch (OperationCanceledException) when (_cancel.IsCancellationRequested)
        {
            return Enter(PipelineState.Cancelled);
        }
        catch (JobFailedException e)
        {
            Enter(PipelineState.Failed);
            throw new PipelineException(e.Message, e.Details);
        }
        catch
        {
            Enter(PipelineState.Failed);
            throw;
        }
        finally
        {
            if (State != PipelineState.Done) _temporaryFolders.Delete();
            if (reporter is not null) await reporter.DisposeAsync();
        }
    }

    /// <summary>The job, how it stands, and how long it has taken.</summary>
    public override string ToString()
    {
        var ended = Interlocked.Read(ref _ended);
        var elapsed = Stopwatch.GetElapsedTime(_started, ended == 0 ? Stopwatch.GetTimestamp() : ended);
        return string.Create(CultureInfo.InvariantCulture, $"job {JobId}: {State}, {elapsed.TotalSeconds:F1} s");
    }

    private PipelineState Enter(PipelineState state)
    {
        Interlocked.Exchange(ref _ended, Stopwatch.GetTimestamp());
        Volatile.Write(ref _state, (int)state);
        return state;
    }

    private async Task RequestCancellationAsync()
    {
        if (_running.IsCompleted) return;
        Interlocked.CompareExchange(ref _state, (int)PipelineState.Cancelling, (int)PipelineState.Running);
        await _cancel.CancelAsync();
    }

    private void EndBeforeTheProcess(PosixSignalContext context)
    {
        // The handler has a thread of its own; the process ends when it returns.
        _ = RequestCancellationAsync();
        ((Task)_running).WaitAsync(SignalPatience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
    }
}
