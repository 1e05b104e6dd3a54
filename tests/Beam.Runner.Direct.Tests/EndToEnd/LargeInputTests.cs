using System.Collections.Concurrent;
using System.Diagnostics;
using Beam.Metrics;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Tests.EndToEnd;

/// <summary>
/// What fails, dies or is cancelled while its input is still on the way: small inputs are in the worker before anything happens, large ones
/// fill every buffer between the runner and the function.
/// </summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
[NonParallelizable]
public sealed class LargeInputTests
{
    private const int Small = 1 << 10;
    private const int Large = 64 << 20;
    private const int Kills = 4;
    private const int Elements = 256;

    // Generous: a machine may be slow, but a job that hangs takes for ever.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    // One for each test's folder. In worker processes they stay closed; in this process the test opens its own at its end.
    private static readonly ConcurrentDictionary<string, ManualResetEventSlim> Gates = new();

    private string _folder = null!;

    [SetUp]
    public void SetUp()
    {
        _folder = Directory.CreateTempSubdirectory("large-input-tests-").FullName;
        Directory.CreateDirectory(Temp);
    }

    [TearDown]
    public void TearDown() => Directory.Delete(_folder, recursive: true);

    private string Temp => Path.Combine(_folder, "tmp");

    [Test]
    public async Task A_function_that_throws_fails_the_job(
        [Values] DirectRunningMode mode, [Values(Small, Large)] int bytes, [Values(1, 2)] int bundlesPerWorker)
    {
        var p = Pipeline.Create();
        Input(p, bytes).Map(element => element.Length > 0 ? throw new InvalidOperationException("the first element") : 0);
        var error = await Assert.ThrowsAsync<JobFailedException>(() => RunAsync(p, mode, bundlesPerWorker));
        Assert.That(error!.Message, Does.Contain("the first element"));
        AssertNothingIsLeft();
    }

    [Test]
    public async Task A_function_that_throws_now_and_then_loses_and_doubles_nothing(
        [Values] DirectRunningMode mode, [Values(Small, Large)] int bytes, [Values(1, 2)] int bundlesPerWorker)
    {
        var folder = _folder;
        var p = Pipeline.Create();
        Count(Input(p, bytes).Map(element => Claim(folder, 3) ? throw new InvalidOperationException("not yet") : KV.Of(0, (long)element.Length)));
        AssertAllWasCounted(await RunAsync(p, mode, bundlesPerWorker), bytes);
        AssertNothingIsLeft();
    }

    [Test]
    public async Task A_worker_that_dies_loses_and_doubles_nothing([Values(Small, Large)] int bytes, [Values(1, 2)] int bundlesPerWorker)
    {
        var folder = _folder;
        var p = Pipeline.Create();
        Count(Input(p, bytes).Map(element =>
        {
            if (Claim(folder, Kills))
            {
                using var self = Process.GetCurrentProcess();
                self.Kill();
                Thread.Sleep(Timeout.Infinite); // the signal is on its way
            }

            return KV.Of(0, (long)element.Length);
        }));
        var lost = new Losses();
        AssertAllWasCounted(await RunAsync(p, DirectRunningMode.MultiProcessing, bundlesPerWorker, lost), bytes);
        Assert.That(Directory.GetFiles(_folder, "claim-*"), Has.Length.EqualTo(Kills));
        Assert.That(lost.Workers, Has.Count.InRange(1, Kills), "two functions may kill their common worker at once");
        AssertNothingIsLeft();
    }

    [Test]
    public async Task A_job_is_cancelled_whatever_its_functions_do(
        [Values] DirectRunningMode mode, [Values(Small, Large)] int bytes, [Values(1, 2)] int bundlesPerWorker)
    {
        var folder = _folder;
        var p = Pipeline.Create();
        Input(p, bytes).Map(element =>
        {
            var gate = Gates.GetOrAdd(folder, _ => new ManualResetEventSlim());
            if (!gate.IsSet) Claim(folder, 1);
            gate.Wait(); // heeds no cancellation
            return element.Length;
        });
        try
        {
            using var cancel = new CancellationTokenSource();
            var running = RunAsync(p, mode, bundlesPerWorker, cancellationToken: cancel.Token);
            await Wait.UntilAsync(() => running.IsCompleted || Directory.GetFiles(_folder, "claim-*").Length > 0);
            await cancel.CancelAsync();
            Assert.That(async () => await running, Throws.InstanceOf<OperationCanceledException>());
            AssertNothingIsLeft();
        }
        finally
        {
            Gates.GetOrAdd(folder, _ => new ManualResetEventSlim()).Set();
        }
    }

    private static PCollection<byte[]> Input(Pipeline p, int bytes) => p.GenerateSequence(0, Elements).Map(_ => new byte[bytes / Elements]).Reshuffle();

    private static void Count(PCollection<KV<int, long>> lengths) => lengths.GroupByKey().Map(group =>
    {
        Metric.Counter("test", "count").Inc(group.Value.Count());
        Metric.Counter("test", "bytes").Inc(group.Value.Sum());
        return 0;
    });

    private static void AssertAllWasCounted(MetricResults metrics, int bytes)
    {
        Assert.That(metrics.CounterValue("test", "count"), Is.EqualTo(Elements));
        Assert.That(metrics.CounterValue("test", "bytes"), Is.EqualTo(bytes));
    }

    /// <summary>True for the first so many calls in all processes together.</summary>
    private static bool Claim(string folder, int times)
    {
        for (var i = 0; i < times; i++)
        {
            try
            {
                using var claim = new FileStream(Path.Combine(folder, $"claim-{i}"), FileMode.CreateNew);
                return true;
            }
            catch (IOException) when (File.Exists(Path.Combine(folder, $"claim-{i}")))
            {
            }
        }

        return false;
    }

    private async Task<MetricResults> RunAsync(
        Pipeline pipeline, DirectRunningMode mode, int bundlesPerWorker, IJobObserver? observer = null, CancellationToken cancellationToken = default)
    {
        var settings = new JobSettings
        {
            Mode = mode,
            Workers = mode == DirectRunningMode.InMemory ? new() { BundlesPerWorker = 2 * bundlesPerWorker } : new() { Workers = 2, BundlesPerWorker = bundlesPerWorker },
            Scheduler = new SchedulerOptions { BundlesPerSlot = 1 }, // a bundle for each slot: as large as can be
            Observers = observer is null ? [] : [observer],
            TempRoot = Temp,
        };
        var job = JobExecution.Prepare<SdkWorkerEntry>(pipeline.ToProto(), settings, SdkWorkerEntry.RunHarness(pipeline.Options));
        await job.RunAsync(cancellationToken).WaitAsync(Patience, CancellationToken.None);
        return job.Metrics;
    }

    private void AssertNothingIsLeft()
    {
        Assert.That(Wait.ProcessesThatName(Temp), Is.Empty);
        Assert.That(Directory.EnumerateFileSystemEntries(Temp), Is.Empty);
    }

    private sealed class Losses : IJobObserver
    {
        public ConcurrentQueue<string> Workers { get; } = new();

        public void WorkerLost(string workerId, string reason) => Workers.Enqueue($"{workerId}: {reason}");
    }
}
