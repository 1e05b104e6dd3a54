using Microsoft.Extensions.Logging;

namespace Beam.Harness;

/// <summary>How a harness is started.</summary>
internal sealed record SdkHarnessOptions
{
    /// <summary>The worker's id, unique within the job.</summary>
    public required string WorkerId { get; init; }

    /// <summary>A folder of this job on this machine, shared by the job's workers here; whoever started them deletes it.</summary>
    public required string WorkDirectory { get; init; }

    /// <summary>The options that the pipeline was run with.</summary>
    public PipelineOptions PipelineOptions { get; init; } = new();

    /// <summary>URNs of what the runner can do beside what every runner can.</summary>
    public IReadOnlySet<string> RunnerCapabilities { get; init; } = new HashSet<string>();

    /// <summary>How many bundles may be processed at a time, each on a thread of its own. Threads exist only while they are needed.</summary>
    public int MaxBundles { get; init; } = 1024;

    /// <summary>How many bytes of elements may wait for all bundles together before a slow bundle holds up the stream that it shares with others.</summary>
    public long MaxInboundBytes { get; init; } = 256 << 20;

    /// <summary>How many bytes of side inputs to keep from bundle to bundle, where the runner allows it.</summary>
    public long SideInputCacheBytes { get; init; } = 100 << 20;

    /// <summary>The least severe of the log entries that the runner gets.</summary>
    public LogLevel MinimumLogLevel { get; init; } = LogLevel.Information;

    /// <summary>How long functions that do not heed cancellation may go on when their bundle has failed, or the harness ends.</summary>
    public TimeSpan ShutdownGrace { get; init; } = TimeSpan.FromSeconds(10);
}
