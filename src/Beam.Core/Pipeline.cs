using Beam.Coders;
using Beam.Translation;

namespace Beam;

/// <summary>A graph of transforms over collections, built here and run by a runner.</summary>
public class Pipeline
{
    private protected Pipeline(PipelineOptions options)
    {
        Options = options;
        Graph = new PipelineGraph(this);
    }

    /// <summary>The options that the pipeline is run with.</summary>
    public PipelineOptions Options { get; }

    /// <summary>How types are encoded; register coders for types of your own here.</summary>
    public CoderRegistry Coders { get; } = new();

    internal PipelineGraph Graph { get; }

    /// <summary>The beginning: what transforms without an input are applied to.</summary>
    public PBegin Begin => new(this);

    /// <summary>Creates an empty pipeline.</summary>
    /// <param name="options">The options; the defaults if null.</param>
    public static Pipeline Create(PipelineOptions? options = null) => new(options ?? new PipelineOptions());

    /// <summary>Creates an empty pipeline with options from a command line.</summary>
    /// <exception cref="BeamException">An option is unknown or its value is wrong.</exception>
    public static Pipeline Create(string[] args) => new(PipelineOptions.Parse(args));

    /// <summary>Applies a transform that takes no input.</summary>
    public TOutput Apply<TOutput>(PTransform<PBegin, TOutput> transform, string? name = null) where TOutput : IPValue =>
        ApplyTransform(transform, Begin, name);

    /// <summary>
    /// Runs the pipeline to its end on the runner that its options name (<c>--runner</c>, by default the local one).
    /// </summary>
    /// <param name="cancellationToken">Cancels the job.</param>
    /// <returns>The job, with its final metrics; its state is <see cref="PipelineState.Cancelled"/> if somebody cancelled it.</returns>
    /// <exception cref="BeamException">The pipeline or its options are wrong.</exception>
    /// <exception cref="PipelineException">The job failed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled; the job has ended.</exception>
    public virtual async Task<PipelineResult> RunAsync(CancellationToken cancellationToken = default)
    {
        var result = await StartAsync(cancellationToken);
        try
        {
            await result.WaitUntilFinishAsync(cancellationToken);
            return result;
        }
        catch
        {
            // The caller never sees the result, so nobody else would end the job.
            await result.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs the pipeline to its end, as <see cref="RunAsync"/> does.</summary>
    /// <exception cref="BeamException">The pipeline or its options are wrong.</exception>
    /// <exception cref="PipelineException">The job failed.</exception>
    public PipelineResult Run() => RunAsync().GetAwaiter().GetResult();

    /// <summary>
    /// Starts the pipeline on the runner that its options name. The result tells how it goes on; disposing of it cancels a job that still runs.
    /// </summary>
    /// <param name="cancellationToken">Cancels the submission, not the running job.</param>
    /// <exception cref="BeamException">The pipeline or its options are wrong.</exception>
    public Task<PipelineResult> StartAsync(CancellationToken cancellationToken = default) =>
        RunnerRegistry.Create(Options).StartAsync(this, cancellationToken);

    /// <summary>Starts the pipeline, as <see cref="StartAsync"/> does.</summary>
    /// <exception cref="BeamException">The pipeline or its options are wrong.</exception>
    public PipelineResult Start() => StartAsync().GetAwaiter().GetResult();

    /// <summary>The portable form of the pipeline, as every runner gets it.</summary>
    public Model.Pipeline.Pipeline ToProto() => Graph.ToProto();

    internal TOutput ApplyTransform<TInput, TOutput>(PTransform<TInput, TOutput> transform, TInput input, string? name)
        where TInput : IPValue where TOutput : IPValue
    {
        using var node = Graph.Begin(name ?? transform.Name, input);
        transform.DescribeTo(input, node);
        var output = transform.Expand(input);
        node.Complete(output);
        return output;
    }
}
