using Beam.Runner.Direct.Progress;
using Beam.Runner.Direct.Workers;

namespace Beam.Runner.Direct;

/// <summary>
/// The local runner: runs a pipeline on this machine over the Fn API, in this process or in worker processes
/// (<see cref="DirectOptions.RunningMode"/>). It is what <c>--runner=DirectRunner</c>, the default, names.
/// </summary>
/// <param name="options">The options; see <see cref="DirectOptions"/>.</param>
public sealed class DirectRunner(PipelineOptions options) : PipelineRunner
{
    /// <summary>Starts a pipeline on this machine.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="cancellationToken">Cancels the submission, not the running pipeline.</param>
    /// <exception cref="BeamException">The options are wrong, or the pipeline asks for what this runner does not do.</exception>
    public override Task<PipelineResult> StartAsync(Pipeline pipeline, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        options.Refuse<PortableOptions>(nameof(DirectRunner));
        options.Refuse<StandardOptions>(nameof(DirectRunner), "streaming");
        var direct = options.As<DirectOptions>();
        var name = options.As<StandardOptions>().JobName ?? "job";
        var proto = pipeline.ToProto();
        var progress = new JobProgress();
        var console = new LiveConsole(Console.Error);
        var settings = Settings(direct) with { TempRoot = TempRoot(options), PipelineOptions = options.ToStruct(), Observers = [progress], Log = console.WriteLine };
        var job = JobExecution.Prepare<SdkWorkerEntry>(proto, settings, SdkWorkerEntry.RunHarness(options));
        progress.TotalStages = job.Plan.Stages.Count;
        var reporter = Shows(direct.Progress) ? new ProgressReporter(progress, console, isLive: !Console.IsErrorRedirected) : null;
        return Task.FromResult<PipelineResult>(new DirectPipelineResult($"{name}-{Guid.NewGuid():N}", job, reporter, pipeline.Graph.TemporaryFolders));
    }

    /// <summary>How many workers and bundles at a time the options ask for on a machine with so many cores.</summary>
    /// <exception cref="BeamException">An option is out of range.</exception>
    internal static JobSettings Settings(DirectOptions direct, int? cores = null)
    {
        if (direct.NumWorkers is < 0 or > 1024) throw new BeamException($"--direct_num_workers is {direct.NumWorkers}; it must be 0 (one for each core) to 1024.");
        if (direct.BundlesPerWorker is < 0 or > 1024) throw new BeamException($"--direct_bundles_per_worker is {direct.BundlesPerWorker}; it must be 0 (the cores divided among the workers) to 1024.");
        var available = cores ?? Environment.ProcessorCount;
        var workers = direct.NumWorkers > 0 ? direct.NumWorkers : available;
        var pool = direct.RunningMode == DirectRunningMode.InMemory
            ? new WorkerPoolOptions { Workers = 1, BundlesPerWorker = direct.BundlesPerWorker > 0 ? direct.BundlesPerWorker : workers }
            : new WorkerPoolOptions { Workers = workers, BundlesPerWorker = direct.BundlesPerWorker > 0 ? direct.BundlesPerWorker : Math.Max(1, available / workers) };
        return new JobSettings { Mode = direct.RunningMode, Workers = pool, LogLevel = direct.LogLevel };
    }

    /// <summary>The folder that --temp_location names, made if it is not there; null without the option.</summary>
    /// <exception cref="BeamException">It is no folder of this machine, or cannot be made.</exception>
    internal static string? TempRoot(PipelineOptions options)
    {
        if (options.As<StandardOptions>().TempLocation is not { Length: > 0 } location) return null;
        if (location.Contains("://", StringComparison.Ordinal))
            throw new BeamException($"--temp_location is '{location}'; the DirectRunner needs a folder of this machine, such as /tmp/beam.");
        try
        {
            return Directory.CreateDirectory(location).FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new BeamException($"--temp_location is '{location}', a folder that cannot be made ({e.Message}). Name one that this user may write to.", e);
        }
    }

    private static bool Shows(ProgressDisplay display) => display switch
    {
        ProgressDisplay.On => true,
        ProgressDisplay.Auto => !Console.IsErrorRedirected,
        _ => false,
    };
}
