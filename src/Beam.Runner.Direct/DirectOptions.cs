[assembly: Beam.PipelineOptionsGroup(typeof(Beam.Runner.Direct.DirectOptions))]

namespace Beam.Runner.Direct;

/// <summary>Where the local runner executes user code.</summary>
public enum DirectRunningMode
{
    /// <summary>In this process: breakpoints work, and it starts at once.</summary>
    InMemory,

    /// <summary>In worker processes.</summary>
    MultiProcessing,
}

/// <summary>How the local runner reports progress.</summary>
public enum ProgressDisplay
{
    /// <summary>A live line on a terminal, and nothing elsewhere.</summary>
    Auto,

    /// <summary>Always: a live line on a terminal, a line every few seconds elsewhere.</summary>
    On,

    /// <summary>Never.</summary>
    Off,
}

/// <summary>Options of the <see cref="DirectRunner"/>.</summary>
public sealed class DirectOptions : PipelineOptionsGroup
{
    /// <summary>
    /// Worker processes in <see cref="DirectRunningMode.MultiProcessing"/>, bundles at a time in <see cref="DirectRunningMode.InMemory"/>.
    /// Default 0: one for each core.
    /// </summary>
    [Option("direct_num_workers", "Workers of the DirectRunner; 0 is one for each core.")]
    public int NumWorkers { get; set; }

    /// <summary>Where user code runs. Default: in this process.</summary>
    [Option("direct_running_mode", "in_memory or multi_processing.")]
    public DirectRunningMode RunningMode { get; set; } = DirectRunningMode.InMemory;

    /// <summary>Bundles that a worker process executes at a time. Default 0: the cores divided among the workers, at least one.</summary>
    [Option("direct_bundles_per_worker", "Bundles that a worker process executes at a time; 0 divides the cores among the workers.")]
    public int BundlesPerWorker { get; set; }

    /// <summary>The least severe entries of workers' logs that are shown: trace, debug, info, warn, error or critical. Default: info.</summary>
    [Option("default_sdk_harness_log_level", "Least severe log entries of workers to show: trace, debug, info, warn, error, critical.")]
    public SdkHarnessLogLevel LogLevel { get; set; } = SdkHarnessLogLevel.Info;

    /// <summary>Whether progress is shown on standard error. Default: on a terminal only.</summary>
    [Option("direct_progress", "Show progress: auto (on a terminal only), on or off.")]
    public ProgressDisplay Progress { get; set; } = ProgressDisplay.Auto;
}

/// <summary>Severities of workers' log entries, by Beam's names.</summary>
public enum SdkHarnessLogLevel
{
    /// <summary>The most detailed.</summary>
    Trace,

    /// <summary>For developers.</summary>
    Debug,

    /// <summary>What happens as expected.</summary>
    Info,

    /// <summary>Expected, but worth a look.</summary>
    Notice,

    /// <summary>Something may be wrong.</summary>
    Warn,

    /// <summary>Something failed.</summary>
    Error,

    /// <summary>Something failed for good.</summary>
    Critical,
}
