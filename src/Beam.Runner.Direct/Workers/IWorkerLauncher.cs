namespace Beam.Runner.Direct.Workers;

/// <summary>Starts SDK harnesses that connect to this job's Fn API.</summary>
internal interface IWorkerLauncher
{
    /// <summary>Starts a harness under this id.</summary>
    Task<IRunningWorker> StartAsync(string workerId, CancellationToken cancellationToken);
}

/// <summary>A harness that was started.</summary>
internal interface IRunningWorker
{
    /// <summary>The process that is its own; null if it runs in this one.</summary>
    int? ProcessId { get; }

    /// <summary>Completes, with the reason, when the harness has ended.</summary>
    Task<string> Exited { get; }

    /// <summary>Waits until the harness has ended by itself, and ends it when <paramref name="grace"/> has passed.</summary>
    Task StopAsync(TimeSpan grace);
}
