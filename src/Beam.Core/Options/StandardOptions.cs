[assembly: Beam.PipelineOptionsGroup(typeof(Beam.StandardOptions))]
[assembly: Beam.PipelineOptionsGroup(typeof(Beam.PortableOptions))]

namespace Beam;

/// <summary>Options that every pipeline has.</summary>
public sealed class StandardOptions : PipelineOptionsGroup
{
    /// <summary>Which runner runs the pipeline. Default: the local one.</summary>
    [Option("runner", "The runner: DirectRunner.")]
    public string Runner { get; set; } = "DirectRunner";

    /// <summary>The job's name; by default made from the program's name and the time.</summary>
    [Option("job_name", "The job's name.")]
    public string? JobName { get; set; }

    /// <summary>Whether the pipeline's input never ends. Default: false.</summary>
    [Option("streaming", "Run as a streaming pipeline, whose input never ends.")]
    public bool Streaming { get; set; }

    /// <summary>The folder for what a job needs while it runs. Default null: the runner's own choice.</summary>
    [Option("temp_location", "The folder for temporary files of the job.")]
    public string? TempLocation { get; set; }

    /// <summary>Whether errors come with their stack traces. Default: false.</summary>
    [Option("verbose", "Print errors with their stack traces.")]
    public bool Verbose { get; set; }
}
