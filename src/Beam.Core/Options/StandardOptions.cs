[assembly: Beam.PipelineOptionsGroup(typeof(Beam.StandardOptions))]

namespace Beam;

/// <summary>Options that every pipeline has.</summary>
public sealed class StandardOptions : PipelineOptionsGroup
{
    /// <summary>Which runner runs the pipeline. Default: the local one.</summary>
    [Option("runner", "The runner: DirectRunner (default).")]
    public string Runner { get; set; } = "DirectRunner";

    /// <summary>The job's name; by default made from the program's name and the time.</summary>
    [Option("job_name", "The job's name.")]
    public string? JobName { get; set; }

    /// <summary>Whether errors come with their stack traces. Default: false.</summary>
    [Option("verbose", "Print errors with their stack traces.")]
    public bool Verbose { get; set; }
}
