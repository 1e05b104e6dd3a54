using Beam.ML.Inference;
using Beam.ML.Inference.Sharing;
using Beam.ML.Inference.Tests.Sharing;
using Beam.Processes;

namespace Beam.ML.Vllm.Tests.Handlers;

/// <summary>Options of <see cref="PipelineProgram"/>.</summary>
public sealed class PipelineProgramOptions : PipelineOptionsGroup
{
    [Option("input", "Prompts.")]
    public string Input { get; set; } = "";

    [Option("output", "What names of files of answers begin with.")]
    public string Output { get; set; } = "";

    [Option("failures", "What names of files of failures begin with; without it, a failure fails the job.")]
    public string? Failures { get; set; }

    [Option("model", "The checkpoint.")]
    public string Model { get; set; } = "";

    [Option("max_tokens", "The longest answer.")]
    public int MaxTokens { get; set; } = 64;

    [Option("ignore_eos", "Whether all answers are of that length.")]
    public bool IgnoreEos { get; set; }
}

/// <summary>A program with a pipeline, in a process of its own, whose workers and hosts are its descendants.</summary>
public sealed class PipelineProgram : IProcessEntry
{
    public Task<int> RunAsync(string[] args, CancellationToken cancellationToken) => BeamApp.RunAsync<PipelineProgramOptions>(
        args,
        (pipeline, options) =>
        {
            var prompts = pipeline.ReadText(options.Input);
            var handler = new VllmCompletionsModelHandler(options.Model);
            InferenceArgs inferenceArgs = new() { ["max_tokens"] = options.MaxTokens, ["temperature"] = 0, ["ignore_eos"] = options.IgnoreEos };
            if (options.Failures is null)
            {
                Write(prompts.RunInference(handler, inferenceArgs), options.Output);
                return;
            }

            var (good, failed) = prompts.RunInferenceWithExceptionHandling(handler, inferenceArgs);
            Write(good, options.Output);
            failed.WriteJson(options.Failures, name: "WriteFailures");
        },
        finished: (result, _) =>
        {
            foreach (var host in result.SummarizeInference().Hosts) Console.WriteLine($"host {host}");
        },
        defaults: ["--direct_running_mode=multi_processing", "--direct_progress=off"]);

    private static void Write(PCollection<PredictionResult<string, Completion>> predictions, string output) =>
        predictions.Map(p => KV.Of(p.Example, p.Inference.Text)).WriteJson(output);
}

/// <summary>A run of <see cref="PipelineProgram"/> that keeps all its files in one folder, which so is in its processes' command lines.</summary>
internal sealed class PipelineRun : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly System.Collections.Concurrent.ConcurrentQueue<string> output = new();
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> errors = new();
    private readonly ChildProcess process;
    private readonly string folder;

    public PipelineRun(string folder, params string[] args)
    {
        this.folder = folder;
        Sampler = new HostSampler(folder);
        process = ChildProcess.Start<PipelineProgram>(new ChildProcessOptions
        {
            Name = "pipeline",
            Arguments = args,
            Environment = new Dictionary<string, string?> { ["TMPDIR"] = folder },
            StandardOutput = output.Enqueue,
            StandardError = errors.Enqueue,
        });
    }

    /// <summary>Looks at the hosts while the run goes on.</summary>
    public HostSampler Sampler { get; }

    /// <summary>The hosts that answered.</summary>
    public IReadOnlyList<string> Hosts => [.. output.Where(line => line.StartsWith("host ", StringComparison.Ordinal))];

    public string Errors => string.Join('\n', errors);

    public Task<int> ExitCodeAsync() => process.Exited.WaitAsync(Patience);

    public void KillMain() => process.Kill();

    /// <summary>The host of at least a generation, when it has requests in flight.</summary>
    public async Task<HostRecord> BusyHostAsync(long generation)
    {
        var busy = Inference.Tests.Sharing.Hosts.BusyAsync(folder, generation);
        if (await Task.WhenAny(busy, process.Exited) != busy)
            Assert.Fail($"The pipeline ended with {await process.Exited} before it had a host of generation {generation}: {Errors}");
        return await busy;
    }

    /// <summary>The ids of the worker processes.</summary>
    public IReadOnlyList<int> Workers() =>
        [.. Inference.Tests.Sharing.Hosts.ProcessesOf(folder).Where(found => found.IsRunning("SdkWorkerEntry")).Select(found => found.Id)];

    public async ValueTask DisposeAsync()
    {
        await Sampler.DisposeAsync();
        await process.DisposeAsync();
    }
}
