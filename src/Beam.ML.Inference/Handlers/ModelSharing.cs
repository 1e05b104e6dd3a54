namespace Beam.ML.Inference;

/// <summary>How a model is shared by the worker processes of a job on one machine, and what happens when its host is lost.</summary>
/// <remarks>
/// A request that was in flight when its host died, or that no host would take, is sent again by its caller: inference is idempotent. The
/// budget is bounded by both <see cref="MaxAttempts"/> and <see cref="FailoverTimeout"/>; when it is spent, the bundle fails.
/// </remarks>
public sealed record ModelSharing
{
    /// <summary>The processes of a machine that host a copy of the model each. Default 1. The option <c>--model_copies</c> overrides it.</summary>
    public int Copies { get; init; } = 1;

    /// <summary>How many requests one worker process has in flight at a time; more wait at the worker. Default 256.</summary>
    public int MaxRequestsPerWorker { get; init; } = 256;

    /// <summary>How many requests one host gives its model at a time; more wait at the host. Default 1024.</summary>
    public int MaxRequestsPerHost { get; init; } = 1024;

    /// <summary>How often a request is sent before its bundle fails. Default 10.</summary>
    public int MaxAttempts { get; init; } = 10;

    /// <summary>For how long a request that lost its host waits for the next one, reloading included. Default 10 minutes.</summary>
    public TimeSpan FailoverTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How often a host is asked for a sign of life. Default one second.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A host that owes its answer for that long is killed and replaced. Default 15 seconds.</summary>
    public TimeSpan HeartbeatTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// A host whose model has requests in flight and makes no progress (<see cref="ModelHandler{TExample,TPrediction,TModel}.GetProgress"/>) for
    /// that long is killed and replaced. Default 5 minutes.
    /// </summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>For how long a host may load the model. Default 30 minutes.</summary>
    public TimeSpan LoadTimeout { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>How often in a row a host may die while it loads the model before the model is given up. Default 3.</summary>
    public int MaxLoadCrashes { get; init; } = 3;

    internal void Validate()
    {
        if (Copies is < 1 or > 64) throw new PipelineConstructionException($"model_copies must be from 1 to 64, not {Copies}.");
        if (MaxRequestsPerWorker < 1) throw new PipelineConstructionException($"{nameof(MaxRequestsPerWorker)} must be positive, not {MaxRequestsPerWorker}.");
        if (MaxRequestsPerHost < 1) throw new PipelineConstructionException($"{nameof(MaxRequestsPerHost)} must be positive, not {MaxRequestsPerHost}.");
        if (MaxAttempts < 1) throw new PipelineConstructionException($"{nameof(MaxAttempts)} must be positive, not {MaxAttempts}.");
        if (MaxLoadCrashes < 1) throw new PipelineConstructionException($"{nameof(MaxLoadCrashes)} must be positive, not {MaxLoadCrashes}.");
        foreach (var time in (ReadOnlySpan<TimeSpan>)[HeartbeatInterval, HeartbeatTimeout, FailoverTimeout, StallTimeout, LoadTimeout])
            if (time <= TimeSpan.Zero) throw new PipelineConstructionException("The times of a model's sharing must be positive.");
    }
}
