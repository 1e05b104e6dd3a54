namespace Beam;

/// <summary>Runs pipelines: every runner gets the same pipeline proto.</summary>
public abstract class PipelineRunner
{
    /// <summary>Starts a pipeline; the result tells how it goes on.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="cancellationToken">Cancels the submission, not the running pipeline.</param>
    public abstract Task<PipelineResult> StartAsync(Pipeline pipeline, CancellationToken cancellationToken = default);
}
