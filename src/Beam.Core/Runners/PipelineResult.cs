using Beam.Metrics;

namespace Beam;

/// <summary>The states of a job.</summary>
public enum PipelineState
{
    /// <summary>Not known.</summary>
    Unspecified,

    /// <summary>Not started, or paused.</summary>
    Stopped,

    /// <summary>Working.</summary>
    Running,

    /// <summary>Ended well.</summary>
    Done,

    /// <summary>Ended with an error.</summary>
    Failed,

    /// <summary>Ended because somebody cancelled it.</summary>
    Cancelled,

    /// <summary>Replaced by a newer version of the job.</summary>
    Updated,

    /// <summary>Taking no new input and finishing what it has.</summary>
    Draining,

    /// <summary>Finished after draining.</summary>
    Drained,

    /// <summary>Accepted and getting ready.</summary>
    Starting,

    /// <summary>Being cancelled.</summary>
    Cancelling,

    /// <summary>Being replaced.</summary>
    Updating,

    /// <summary>Waiting for resources.</summary>
    Resizing,
}

/// <summary>A pipeline that was started.</summary>
public abstract class PipelineResult : IAsyncDisposable
{
    /// <summary>The job's id at its runner.</summary>
    public abstract string JobId { get; }

    /// <summary>How the job stands.</summary>
    public abstract PipelineState State { get; }

    /// <summary>
    /// Waits until the job has ended.
    /// </summary>
    /// <returns>The final state: <see cref="PipelineState.Done"/>, <see cref="PipelineState.Cancelled"/> or the like.</returns>
    /// <exception cref="PipelineException">The job failed.</exception>
    public abstract Task<PipelineState> WaitUntilFinishAsync(CancellationToken cancellationToken = default);

    /// <summary>Cancels the job and waits until it has stopped.</summary>
    public abstract Task CancelAsync(CancellationToken cancellationToken = default);

    /// <summary>The metrics so far; final once the job has ended.</summary>
    public abstract MetricResults Metrics { get; }

    /// <summary>Waits until the job has ended.</summary>
    /// <exception cref="PipelineException">The job failed.</exception>
    public PipelineState WaitUntilFinish() => WaitUntilFinishAsync().GetAwaiter().GetResult();

    /// <summary>Cancels the job if it still runs, and waits until it has stopped.</summary>
    public abstract ValueTask DisposeAsync();
}
