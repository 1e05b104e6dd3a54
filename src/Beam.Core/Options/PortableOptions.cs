namespace Beam;

/// <summary>Options of runners that are reached through a job service.</summary>
public sealed class PortableOptions : PipelineOptionsGroup
{
    /// <summary>Where the job service listens: <c>host:port</c>.</summary>
    [Option("job_endpoint", "The job service's address: host:port.")]
    public string? JobEndpoint { get; set; }

    /// <summary>Where the artifact staging service listens; by default where the job service says.</summary>
    [Option("artifact_endpoint", "The artifact staging service's address: host:port.")]
    public string? ArtifactEndpoint { get; set; }

    /// <summary>What user code runs in: DOCKER, PROCESS, EXTERNAL or LOOPBACK.</summary>
    [Option("environment_type", "What user code runs in: DOCKER, PROCESS, EXTERNAL or LOOPBACK.")]
    public string? EnvironmentType { get; set; }

    /// <summary>What the environment needs to know: an image's name, a JSON object or an address, as its type says.</summary>
    [Option("environment_config", "What the environment needs to know: an image's name, a JSON object or an address, as its type says.")]
    public string? EnvironmentConfig { get; set; }

    /// <summary>How many workers each machine has; 0 lets the runner decide. Default: 1.</summary>
    [Option("sdk_worker_parallelism", "Workers on each machine; 0 lets the runner decide.")]
    public int SdkWorkerParallelism { get; set; } = 1;
}
