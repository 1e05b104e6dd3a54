using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Beam.Metrics;
using Beam.Processes;
using Beam.Runner.Direct.Engine;
using Beam.Runner.Direct.Tests.Processes;

namespace Beam.Runner.Direct.Tests.EndToEnd;

/// <summary>Bundles that fail and workers that die.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class FailureTests
{
    private string _folder = null!;

    [SetUp]
    public void SetUp() => _folder = Directory.CreateTempSubdirectory("failure-tests-").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_folder, recursive: true);

    [TestCase(DirectRunningMode.InMemory)]
    [TestCase(DirectRunningMode.MultiProcessing)]
    public async Task A_bundle_is_tried_four_times(DirectRunningMode mode)
    {
        var p = Pipeline.Create();
        p.Create(_folder).Reshuffle().Map(folder =>
        {
            File.WriteAllText(Path.Combine(folder, Guid.NewGuid().ToString("N")), "");
            return folder.Length > 0 ? throw new InvalidOperationException("every time") : 0;
        });
        var error = await Assert.ThrowsAsync<JobFailedException>(() => RunAsync(p, mode));
        Assert.That(error!.Message, Does.Contain("every time"));
        Assert.That(Directory.GetFiles(_folder), Has.Length.EqualTo(4));
    }

    [TestCase(DirectRunningMode.InMemory)]
    [TestCase(DirectRunningMode.MultiProcessing)]
    public async Task What_failed_attempts_wrote_counts_for_nothing(DirectRunningMode mode)
    {
        var folder = _folder;
        var p = Pipeline.Create();
        p.GenerateSequence(0, 1000).Reshuffle().Map(n =>
        {
            Metric.Counter("test", "processed").Inc();
            // The last element of every bundle fails, the first two times.
            if (n % 100 == 99 && Directory.GetFiles(folder, $"{n}-*").Length < 2)
            {
                File.WriteAllText(Path.Combine(folder, $"{n}-{Guid.NewGuid():N}"), "");
                throw new InvalidOperationException("not yet");
            }

            return KV.Of(0, n);
        }).GroupByKey().Map(group =>
        {
            Metric.Counter("test", "count").Inc(group.Value.Count());
            Metric.Counter("test", "distinct").Inc(group.Value.Distinct().Count());
            return 0;
        });
        var metrics = await RunAsync(p, mode, scheduler: new SchedulerOptions { BundlesPerSlot = 5 }); // 10 bundles of 100
        Assert.That(metrics.CounterValue("test", "count"), Is.EqualTo(1000));
        Assert.That(metrics.CounterValue("test", "distinct"), Is.EqualTo(1000));
        Assert.That(metrics.CounterValue("test", "processed"), Is.EqualTo(1000));
        Assert.That(Directory.GetFiles(_folder), Has.Length.EqualTo(20));
    }

    [TestCase(DirectRunningMode.InMemory)]
    [TestCase(DirectRunningMode.MultiProcessing)]
    public async Task What_failed_attempts_did_is_attempted_and_in_the_log(DirectRunningMode mode)
    {
        var p = Pipeline.Create();
        p.Create(7).Reshuffle().Map(n =>
        {
            Metric.Counter("test", "seen").Inc();
            return n == 7 ? throw new InvalidOperationException("seven") : n;
        }, "Refuse");
        var log = new ConcurrentQueue<string>();
        var job = JobExecution.Prepare<SdkWorkerEntry>(p.ToProto(), Settings(mode) with { Log = log.Enqueue }, SdkWorkerEntry.RunHarness(p.Options));
        await Assert.ThrowsAsync<JobFailedException>(() => job.RunAsync(CancellationToken.None));
        var seen = job.Metrics.Query("test", "seen").Counters.Single();
        Assert.That((seen.Committed, seen.Attempted), Is.EqualTo((0L, 4L)));
        var warnings = log.Where(line => line.Contains("WARN [runner]", StringComparison.Ordinal)).ToList();
        Assert.That(warnings, Has.Count.EqualTo(4));
        for (var attempt = 1; attempt <= 4; attempt++)
            Assert.That(warnings[attempt - 1], Does.Contain("Refuse").And.EndsWith($"failed, attempt {attempt} of 4: System.InvalidOperationException: seven [while running 'Refuse']"));
    }

    [Test]
    public async Task Workers_that_die_in_the_middle_of_a_bundle_are_replaced_and_nothing_is_lost_or_doubled()
    {
        var folder = _folder;
        var p = Pipeline.Create();
        p.GenerateSequence(0, 400).Reshuffle().Map(n =>
        {
            // Six elements each kill the first worker that meets them.
            if (n % 70 == 35)
            {
                var marker = Path.Combine(folder, $"{n}");
                if (!File.Exists(marker))
                {
                    File.WriteAllText(marker, "");
                    using var self = Process.GetCurrentProcess();
                    self.Kill();
                }
            }

            return KV.Of(0, n);
        }).GroupByKey().Map(group =>
        {
            Metric.Counter("test", "count").Inc(group.Value.Count());
            Metric.Counter("test", "sum").Inc(group.Value.Sum());
            return 0;
        });
        var workers = new WorkerRecorder();
        var metrics = await RunAsync(p, DirectRunningMode.MultiProcessing, observer: workers);
        Assert.That(metrics.CounterValue("test", "count"), Is.EqualTo(400));
        Assert.That(metrics.CounterValue("test", "sum"), Is.EqualTo(399 * 200));
        Assert.That(Directory.GetFiles(_folder), Has.Length.EqualTo(6));
        Assert.That(workers.Lost, Has.Count.InRange(1, 6));
        Assert.That(workers.ProcessIds.Where(Wait.IsRunning), Is.Empty);
    }

    [Test]
    public async Task Workers_that_are_killed_from_outside_are_replaced()
    {
        var p = Pipeline.Create();
        p.GenerateSequence(0, 60).Reshuffle().Map(n =>
        {
            Thread.Sleep(20);
            return KV.Of(0, n);
        }).GroupByKey().Map(group =>
        {
            Metric.Counter("test", "count").Inc(group.Value.Count());
            return 0;
        });
        // Every worker that starts is killed as soon as it has a bundle, five times in all.
        var killer = new Killer(5);
        var metrics = await RunAsync(p, DirectRunningMode.MultiProcessing, observer: killer);
        Assert.That(metrics.CounterValue("test", "count"), Is.EqualTo(60));
        Assert.That(killer.Killed, Is.EqualTo(5));
        Assert.That(killer.ProcessIds.Where(Wait.IsRunning), Is.Empty);
    }

    [Test]
    public async Task Workers_that_cannot_start_fail_the_job_with_what_they_said()
    {
        var p = Pipeline.Create();
        p.Create(1).Map(n => n);
        var job = JobExecution.Prepare<EchoEntry>(p.ToProto(), Settings(DirectRunningMode.MultiProcessing), SdkWorkerEntry.RunHarness(p.Options));
        var error = await Assert.ThrowsAsync<JobFailedException>(() => job.RunAsync(CancellationToken.None));
        Assert.That(error!.Details, Does.Contain("Workers end before they do anything").And.Contain("not in a correct format"), "EchoEntry expects a number as its first argument");
    }

    [Test]
    public async Task After_a_failure_no_process_and_no_file_is_left()
    {
        var p = Pipeline.Create();
        p.GenerateSequence(0, 100).Reshuffle().Map(n => n == 50 ? throw new InvalidOperationException("fifty") : n);
        var workers = new WorkerRecorder();
        var root = Directory.CreateDirectory(Path.Combine(_folder, "tmp")).FullName;
        await Assert.ThrowsAsync<JobFailedException>(() => RunAsync(p, DirectRunningMode.MultiProcessing, observer: workers, tempRoot: root));
        Assert.That(workers.ProcessIds, Is.Not.Empty);
        Assert.That(workers.ProcessIds.Where(Wait.IsRunning), Is.Empty);
        Assert.That(Directory.EnumerateFileSystemEntries(root), Is.Empty);
    }

    private static async Task<MetricResults> RunAsync(
        Pipeline pipeline, DirectRunningMode mode, SchedulerOptions? scheduler = null, IJobObserver? observer = null, string? tempRoot = null)
    {
        var settings = Settings(mode) with { Scheduler = scheduler ?? new SchedulerOptions(), Observers = observer is null ? [] : [observer], TempRoot = tempRoot };
        var job = JobExecution.Prepare<SdkWorkerEntry>(pipeline.ToProto(), settings, SdkWorkerEntry.RunHarness(pipeline.Options));
        await job.RunAsync(CancellationToken.None);
        return job.Metrics;
    }

    private static JobSettings Settings(DirectRunningMode mode) =>
        DirectRunner.Settings(new DirectOptions { RunningMode = mode, NumWorkers = 2, BundlesPerWorker = 1 }) with { Workers = new() { Workers = mode == DirectRunningMode.InMemory ? 1 : 2, BundlesPerWorker = mode == DirectRunningMode.InMemory ? 2 : 1 } };

    private class WorkerRecorder : IJobObserver
    {
        private readonly ConcurrentDictionary<string, int> _workers = new();

        public ConcurrentQueue<string> Lost { get; } = new();

        public IEnumerable<int> ProcessIds => _workers.Values;

        public void WorkerStarted(string workerId, int? processId) => _workers[workerId] = processId!.Value;

        public void WorkerLost(string workerId, string reason) => Lost.Enqueue(reason);

        protected int ProcessId(string workerId) => _workers[workerId];
    }

    private sealed class Killer(int times) : WorkerRecorder, IJobObserver
    {
        private int _left = times;
        private int _killed;

        public int Killed => Volatile.Read(ref _killed);

        public void BundleStarted(Bundle bundle, string workerId)
        {
            if (Interlocked.Decrement(ref _left) < 0) return;
            using var process = Process.GetProcessById(ProcessId(workerId));
            process.Kill();
            Interlocked.Increment(ref _killed);
        }
    }
}

/// <summary>A program that runs a job in worker processes: each prints its process id and then waits for ever.</summary>
public sealed class MainProgramEntry : IProcessEntry
{
    public async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        var folder = args[0];
        var p = Pipeline.Create(["--direct_running_mode=multi_processing", "--direct_num_workers=2", "--direct_bundles_per_worker=1"]);
        p.GenerateSequence(0, 2).Reshuffle().Map(n =>
        {
            File.WriteAllText(Path.Combine(folder, $"{Environment.ProcessId}"), "");
            Thread.Sleep(Timeout.Infinite);
            return n;
        });
        await using var result = await p.StartAsync(cancellationToken);
        return await result.WaitUntilFinishAsync(CancellationToken.None) == PipelineState.Cancelled ? 130 : 0;
    }
}

/// <summary>The process that runs a job ends before the job does.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class OrphanTests
{
    private string _folder = null!;

    [SetUp]
    public void SetUp() => _folder = Directory.CreateTempSubdirectory("orphan-tests-").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_folder, recursive: true);

    [Test]
    [Repeat(3)]
    public async Task No_worker_outlives_a_killed_main_process()
    {
        await using var main = Start();
        var workers = await WorkersAsync();
        main.Kill();
        await main.Exited;
        await Wait.UntilAsync(() => !workers.Any(Wait.IsRunning));
        Assert.That(Wait.ProcessesThatName(Temp), Is.Empty);
    }

    [TestCase("INT")]
    [TestCase("TERM")]
    public async Task A_signal_cancels_the_job_and_leaves_nothing_behind(string signal)
    {
        if (OperatingSystem.IsWindows()) Assert.Ignore("Windows has no signals.");
        await using var main = Start();
        var workers = await WorkersAsync();
        using (var kill = Process.Start("kill", [$"-{signal}", main.Id.ToString(CultureInfo.InvariantCulture)])) await kill.WaitForExitAsync();
        Assert.That(await main.Exited, Is.EqualTo(130));
        Assert.That(workers.Where(Wait.IsRunning), Is.Empty);
        Assert.That(Wait.ProcessesThatName(Temp), Is.Empty);
        Assert.That(Directory.EnumerateFileSystemEntries(Temp, "beam-*"), Is.Empty);
    }

    private string Temp => Path.Combine(_folder, "tmp");

    private ChildProcess Start()
    {
        Directory.CreateDirectory(Temp);
        var workers = Directory.CreateDirectory(Path.Combine(_folder, "workers"));
        foreach (var file in workers.GetFiles()) file.Delete(); // of the round before
        return ChildProcess.Start<MainProgramEntry>(new ChildProcessOptions
        {
            Name = "main",
            Arguments = [Path.Combine(_folder, "workers")],
            Environment = new Dictionary<string, string?> { ["TMPDIR"] = Temp },
            StandardError = TestContext.Error.WriteLine,
        });
    }

    private async Task<int[]> WorkersAsync()
    {
        var folder = Path.Combine(_folder, "workers");
        await Wait.UntilAsync(() => Directory.GetFiles(folder).Length == 2);
        return [.. Directory.GetFiles(folder).Select(file => int.Parse(Path.GetFileName(file), CultureInfo.InvariantCulture))];
    }
}
