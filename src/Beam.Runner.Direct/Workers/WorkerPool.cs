using System.Globalization;
using System.Threading.Channels;
using Beam.Model.FnExecution;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Workers;

/// <summary>How many workers an environment gets.</summary>
internal sealed record WorkerPoolOptions
{
    /// <summary>Workers at a time.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Bundles that a worker executes at a time.</summary>
    public int BundlesPerWorker { get; init; } = 1;

    /// <summary>How long a worker may take to connect.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How many workers in a row may be lost before they connect; then the job fails. What happens later is the loss of a bundle, if any.</summary>
    public int MaxStartFailures { get; init; } = 4;

    /// <summary>How long to wait before a worker that was lost without work is replaced; twice as long after each that did not connect.</summary>
    public TimeSpan RestartDelay { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a worker may take to end after a job that succeeded.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a worker may take to end after a job that did not.</summary>
    public TimeSpan AbortGrace { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often running bundles are asked for their progress.</summary>
    public TimeSpan ProgressInterval { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>
/// The workers of one environment. Each takes bundles from one queue; a worker that is lost is replaced, and the bundles that it had
/// taken are reported as lost.
/// </summary>
internal sealed class WorkerPool
{
    private static readonly TimeSpan ExitPatience = TimeSpan.FromSeconds(1);

    private readonly FnApiService _service;
    private readonly IWorkerLauncher _launcher;
    private readonly WorkerPoolOptions _options;
    private readonly ChannelWriter<SchedulerEvent> _events;
    private readonly IJobObserver _observer;
    private readonly string _prefix;
    // Holds bundles that wait; there are as many as stages were split into.
    private readonly Channel<Bundle> _queue = Channel.CreateUnbounded<Bundle>();
    private readonly CancellationTokenSource _abort = new();
    private readonly Task _running;
    private int _startFailures;

    /// <summary>Starts the workers.</summary>
    public WorkerPool(
        FnApiService service, IWorkerLauncher launcher, WorkerPoolOptions options, ChannelWriter<SchedulerEvent> events, IJobObserver observer, string prefix = "worker")
    {
        (_service, _launcher, _options, _events, _observer, _prefix) = (service, launcher, options, events, observer, prefix);
        _running = Task.WhenAll(Enumerable.Range(1, options.Workers).Select(RunSlotAsync));
    }

    public int Slots => _options.Workers * _options.BundlesPerWorker;

    /// <summary>Queues a bundle for whichever worker is free first.</summary>
    public void Enqueue(Bundle bundle) => _queue.Writer.TryWrite(bundle);

    /// <summary>Ends the workers: after their work, or at once if the job did not succeed.</summary>
    public async Task StopAsync(bool abort)
    {
        _queue.Writer.TryComplete();
        if (abort) await _abort.CancelAsync();
        await _running;
        _abort.Dispose();
    }

    /// <summary>Keeps one worker going, replacing it when it is lost.</summary>
    private async Task RunSlotAsync(int index)
    {
        await Task.Yield();
        try
        {
            for (var generation = 1; !_abort.IsCancellationRequested && !_queue.Reader.Completion.IsCompleted; generation++)
            {
                var id = generation == 1
                    ? string.Create(CultureInfo.InvariantCulture, $"{_prefix}-{index}")
                    : string.Create(CultureInfo.InvariantCulture, $"{_prefix}-{index}-{generation}");
                if (await RunWorkerAsync(id) is not { } lost) return;
                _observer.WorkerLost(id, lost.Error.Message);
                if (!lost.WasBusy) await Task.Delay(_options.RestartDelay * (1 << Math.Min(Volatile.Read(ref _startFailures), 6)), _abort.Token);
            }
        }
        catch (OperationCanceledException) when (_abort.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            _events.TryWrite(new SchedulerEvent.Broken(e));
        }
    }

    /// <summary>Runs one worker until there is nothing left to do (null) or it is lost (the reason).</summary>
    private async Task<LostWorker?> RunWorkerAsync(string id)
    {
        var worker = _service.Expect(id);
        var running = await _launcher.StartAsync(id, _abort.Token);
        var watch = WatchAsync(worker, running);
        var grace = _options.AbortGrace;
        try
        {
            var startTimeout = Task.Delay(_options.StartTimeout, _abort.Token);
            if (await Task.WhenAny(worker.Connected, worker.Lost, startTimeout) == startTimeout)
            {
                _abort.Token.ThrowIfCancellationRequested();
                worker.Fail($"{id} did not connect within {_options.StartTimeout.TotalSeconds:N0} s.");
            }

            var taken = 0;
            var connected = worker.Connected.IsCompletedSuccessfully;
            if (connected) Interlocked.Exchange(ref _startFailures, 0);
            if (!worker.Lost.IsCompleted)
            {
                _observer.WorkerStarted(id, running.ProcessId);
                using var stopProgress = CancellationTokenSource.CreateLinkedTokenSource(_abort.Token);
                var progress = ReportProgressAsync(worker, stopProgress.Token);
                taken = (await Task.WhenAll(Enumerable.Range(0, _options.BundlesPerWorker).Select(_ => ExecuteBundlesAsync(worker, running)))).Sum();
                await stopProgress.CancelAsync();
                await progress;
            }

            if (!worker.Lost.IsCompleted)
            {
                if (!_abort.IsCancellationRequested) grace = _options.StopGrace;
                return null;
            }

            var lost = new WorkerLostException(await ReasonAsync(worker, running), await worker.Lost);
            if (!connected && Interlocked.Increment(ref _startFailures) >= _options.MaxStartFailures)
                throw new JobFailedException($"Workers end before they do anything. The last one: {lost.Message}", lost);
            return new LostWorker(lost, taken > 0);
        }
        finally
        {
            worker.Complete();
            await running.StopAsync(grace);
            await watch;
            worker.Fail($"{id} has ended.");
            _service.Forget(worker);
        }
    }

    private sealed record LostWorker(WorkerLostException Error, bool WasBusy);

    private static async Task WatchAsync(SdkWorker worker, IRunningWorker running) => worker.Fail(await running.Exited);

    /// <summary>Executes bundles one after the other until there are no more or the worker is lost; returns how many it took.</summary>
    private async Task<int> ExecuteBundlesAsync(SdkWorker worker, IRunningWorker running)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_abort.Token);
        var lost = CancelWhenLostAsync(worker, stop);
        var taken = 0;
        try
        {
            while (await TakeAsync(stop.Token) is { } bundle)
            {
                taken++;
                if (!await ExecuteAsync(worker, running, bundle)) break;
            }
        }
        catch (OperationCanceledException)
        {
            // Aborted, or the worker is lost.
        }
        finally
        {
            await stop.CancelAsync();
            await lost;
        }

        return taken;
    }

    private static async Task CancelWhenLostAsync(SdkWorker worker, CancellationTokenSource stop)
    {
        await ((Task)worker.Lost).WaitAsync(stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await stop.CancelAsync();
    }

    private async Task<Bundle?> TakeAsync(CancellationToken cancellationToken)
    {
        while (await _queue.Reader.WaitToReadAsync(cancellationToken))
        {
            if (_queue.Reader.TryRead(out var bundle)) return bundle;
        }

        return null;
    }

    /// <summary>
    /// Executes a bundle and tells the scheduler; false if the worker was lost. Unless the job is aborted every bundle makes exactly one event:
    /// the scheduler waits for it.
    /// </summary>
    private async Task<bool> ExecuteAsync(SdkWorker worker, IRunningWorker running, Bundle bundle)
    {
        var execution = new BundleExecution(bundle, worker);
        _observer.BundleStarted(bundle, worker.Id);
        try
        {
            _events.TryWrite(new SchedulerEvent.Succeeded(bundle, await execution.RunAsync(_abort.Token)));
            return true;
        }
        catch (BundleFailedException e)
        {
            _events.TryWrite(new SchedulerEvent.Failed(bundle, e.Message, e.Metrics.Count > 0 ? e.Metrics : execution.LatestMetrics));
            return true;
        }
        catch (OperationCanceledException) when (_abort.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception e)
        {
            // Whatever else goes wrong leaves a worker whose state nobody knows.
            worker.Fail(e.Message, e);
            _events.TryWrite(new SchedulerEvent.Lost(bundle, await ReasonAsync(worker, running), execution.LatestMetrics));
            return false;
        }
    }

    /// <summary>Why a worker was lost. How its process ended tells more than that its connection broke.</summary>
    private static async Task<string> ReasonAsync(SdkWorker worker, IRunningWorker running)
    {
        try
        {
            return await running.Exited.WaitAsync(ExitPatience);
        }
        catch (TimeoutException)
        {
            return (await worker.Lost).Message;
        }
    }

    private async Task ReportProgressAsync(SdkWorker worker, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_options.ProgressInterval);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                foreach (var bundle in worker.Bundles)
                {
                    var request = new InstructionRequest
                    {
                        InstructionId = worker.NextInstructionId(),
                        ProcessBundleProgress = new ProcessBundleProgressRequest { InstructionId = bundle.InstructionId },
                    };
                    if ((await worker.SendAsync(request, cancellationToken)).ProcessBundleProgress is not { } progress) continue;
                    bundle.LatestMetrics = MonitoringInfos.ToMetrics(progress.MonitoringInfos);
                    _observer.BundleProgress(bundle.Bundle, MonitoringInfos.ElementsRead(bundle.LatestMetrics), bundle.LatestMetrics);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or WorkerLostException or InvalidDataException)
        {
            // The worker is done or gone, or its numbers make no sense: progress is only for people.
        }
    }
}
