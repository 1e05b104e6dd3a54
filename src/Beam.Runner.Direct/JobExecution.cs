using System.Security.Cryptography;
using Beam.FnApi;
using Beam.Metrics;
using Beam.Processes;
using Beam.Rpc;
using Beam.Runner.Direct.Engine;
using Beam.Runner.Direct.Metrics;
using Beam.Runner.Direct.Progress;
using Beam.Runner.Direct.Translation;
using Beam.Runner.Direct.Workers;
using Beam.Translation;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Beam.Runner.Direct;

/// <summary>How a job is executed, beside its pipeline.</summary>
internal sealed record JobSettings
{
    public DirectRunningMode Mode { get; init; } = DirectRunningMode.InMemory;

    public WorkerPoolOptions Workers { get; init; } = new();

    public SchedulerOptions Scheduler { get; init; } = new();

    /// <summary>The pipeline options, for the workers.</summary>
    public Struct PipelineOptions { get; init; } = new();

    /// <summary>Where the job's folder is made; null for the system's temporary folder.</summary>
    public string? TempRoot { get; init; }

    /// <summary>Takes the lines that workers log and print; several threads call it.</summary>
    public Action<string> Log { get; init; } = _ => { };

    public SdkHarnessLogLevel LogLevel { get; init; } = SdkHarnessLogLevel.Info;

    /// <summary>Is told what happens.</summary>
    public IReadOnlyList<IJobObserver> Observers { get; init; } = [];
}

/// <summary>
/// One job: a portable pipeline, translated and ready to run once. It knows no SDK: the harnesses that it starts do.
/// </summary>
internal sealed class JobExecution
{
    private const string InMemoryEndpoint = "inmemory";
    private const int MaxSocketPath = 100;

    private readonly TranslatedPipeline _translated;
    private readonly JobSettings _settings;
    private readonly RunHarness _runHarness;
    private readonly Func<WorkerProcessSettings, WorkerLog, IWorkerLauncher> _processLauncher;

    private JobExecution(
        Proto.Pipeline pipeline, JobSettings settings, RunHarness runHarness, Func<WorkerProcessSettings, WorkerLog, IWorkerLauncher> processLauncher)
    {
        (_settings, _runHarness, _processLauncher) = (settings, runHarness, processLauncher);
        // Whatever is wrong with the pipeline is told before anything starts.
        _translated = PipelineTranslator.Translate(pipeline);
        if (_translated.Environments.Values.FirstOrDefault(environment => environment.Urn != DotnetEnvironment.EmbeddedUrn) is { } foreign)
            throw new PipelineTranslationException($"The pipeline has transforms that run in an environment '{foreign.Urn}'; the direct runner starts .NET workers only in this version.");
        UserMetrics = new UserMetrics(_translated.StepNames);
    }

    /// <summary>What is executed.</summary>
    public Plan Plan => _translated.Plan;

    /// <summary>The metrics so far.</summary>
    public MetricResults Metrics => UserMetrics.Results();

    private UserMetrics UserMetrics { get; }

    /// <summary>Checks and translates a pipeline.</summary>
    /// <typeparam name="TWorker">What a worker process runs.</typeparam>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="settings">How to execute it.</param>
    /// <param name="runHarness">Runs a harness in this process.</param>
    /// <exception cref="PipelineTranslationException">The runner cannot run the pipeline.</exception>
    public static JobExecution Prepare<TWorker>(Proto.Pipeline pipeline, JobSettings settings, RunHarness runHarness) where TWorker : IProcessEntry, new() =>
        new(pipeline, settings, runHarness, (worker, log) => new ProcessWorkerLauncher<TWorker>(worker, log));

    /// <summary>Runs the job to its end.</summary>
    /// <exception cref="JobFailedException">A bundle failed too often, or workers did.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var folder = JobFolder.Create(_settings.TempRoot);
        var log = new WorkerLog(_settings.Log, _settings.LogLevel);
        var observer = new JobObservers([UserMetrics, new RetryLog(log, _settings.Scheduler), .. _settings.Observers]);
        var isMultiProcessing = _settings.Mode == DirectRunningMode.MultiProcessing;
        var listen = isMultiProcessing ? Listen(folder) : InMemoryEndpoint;

        var service = new FnApiService(log.Write);
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        await using var server = isMultiProcessing
            ? await RpcServer.StartAsync(
                new RpcServerOptions { Listen = listen, MaxReceiveMessageSize = null, BearerToken = token, ShutdownGrace = TimeSpan.FromSeconds(1) },
                FnApiGrpcServices.Bind(service), cancellationToken)
            : null;
        var endpoint = server?.Target ?? listen;
        service.Publish(_translated.DescribeStages(new Proto.ApiServiceDescriptor { Url = endpoint }));

        IWorkerLauncher launcher;
        if (isMultiProcessing)
        {
            await File.WriteAllBytesAsync(Path.Combine(folder.Path, WorkerProcessSettings.OptionsFile), _settings.PipelineOptions.ToByteArray(), cancellationToken);
            launcher = _processLauncher(new WorkerProcessSettings(endpoint, token, folder.Path), log);
        }
        else
        {
            launcher = new InMemoryWorkerLauncher(service, folder.Path, _runHarness);
        }

        await RunAsync(service, launcher, observer, cancellationToken);
    }

    private async Task RunAsync(FnApiService service, IWorkerLauncher launcher, IJobObserver observer, CancellationToken cancellationToken)
    {
        var events = SchedulerEvent.CreateChannel();
        var pools = new Dictionary<string, WorkerPool>();
        var succeeded = false;
        try
        {
            foreach (var id in _translated.Environments.Keys)
            {
                var prefix = pools.Count == 0 ? "worker" : $"worker-{id}";
                pools.Add(id, new WorkerPool(service, launcher, _settings.Workers, events.Writer, observer, prefix));
            }

            var scheduler = new JobScheduler(Plan, new BundleDispatcher(pools), events, _settings.Scheduler, observer);
            await scheduler.RunAsync(cancellationToken);
            succeeded = true;
        }
        finally
        {
            await Task.WhenAll(pools.Values.Select(pool => pool.StopAsync(abort: !succeeded)));
        }
    }

    /// <summary>A socket in the job's folder, which only this user can open; loopback TCP where there are none, or the path is too long for one.</summary>
    private static string Listen(JobFolder folder)
    {
        var path = Path.Combine(folder.Path, "fn");
        return System.Net.Sockets.Socket.OSSupportsUnixDomainSockets && path.Length <= MaxSocketPath ? $"unix:{path}" : "127.0.0.1:0";
    }
}
