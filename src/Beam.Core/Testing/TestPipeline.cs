namespace Beam.Testing;

/// <summary>A pipeline for tests: running it to its end also checks that every <see cref="PAssert"/> was checked.</summary>
public sealed class TestPipeline : Pipeline
{
    private readonly List<string> assertions = [];

    private TestPipeline(PipelineOptions options) : base(options) { }

    /// <summary>Creates an empty pipeline.</summary>
    /// <param name="options">The options; the defaults, which run it in this process, if null.</param>
    public static new TestPipeline Create(PipelineOptions? options = null) => new(options ?? new PipelineOptions());

    /// <summary>Creates an empty pipeline with options from a command line.</summary>
    /// <exception cref="BeamException">An option is unknown or its value is wrong.</exception>
    public static new TestPipeline Create(params string[] args) => new(PipelineOptions.Parse(args));

    /// <summary>Runs the pipeline to its end.</summary>
    /// <exception cref="PipelineException">It failed, for example because an assertion does not hold.</exception>
    /// <exception cref="PAssertException">It ended well, and an assertion was never checked.</exception>
    public override async Task<PipelineResult> RunAsync(CancellationToken cancellationToken = default)
    {
        var result = await base.RunAsync(cancellationToken);
        var failure = Failure(result);
        if (failure is null) return result;
        await result.DisposeAsync();
        throw new PAssertException(failure);
    }

    /// <summary>Counts an assertion that must be checked.</summary>
    internal void Expect(string assertion) => assertions.Add(assertion);

    private string? Failure(PipelineResult result)
    {
        if (result.State != PipelineState.Done) return $"The pipeline ended as {result.State}.";
        var metrics = result.Metrics;
        var missed = assertions.Find(a => !metrics.Query(PAssert.MetricsNamespace, "success", a).Counters.Any(c => c.Committed > 0));
        return missed is null ? null : $"'{missed}' was never checked.";
    }
}
