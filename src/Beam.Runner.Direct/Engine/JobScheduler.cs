using System.Threading.Channels;
using Beam.Harness;

namespace Beam.Runner.Direct.Engine;

/// <summary>Limits of the <see cref="JobScheduler"/>.</summary>
internal sealed record SchedulerOptions
{
    /// <summary>How often a bundle is tried before its failure fails the job.</summary>
    public int MaxBundleAttempts { get; init; } = 4;

    /// <summary>
    /// How often a bundle survives its worker. A lost worker is mostly not the bundle's fault, so this is more than the attempts; it is
    /// bounded because a bundle may be what kills workers.
    /// </summary>
    public int MaxBundleLosses { get; init; } = 16;

    /// <summary>Bundles of a stage for each that can run at a time: enough that a slow one does not leave others idle for long.</summary>
    public int BundlesPerSlot { get; init; } = 4;

    /// <summary>Bytes of input in a bundle, unless one element is larger.</summary>
    public long MaxBundleBytes { get; init; } = 64L << 20;
}

/// <summary>
/// Runs a plan: starts the stages whose inputs are complete (their watermark is at infinity), commits bundles that succeeded as a whole,
/// and runs the others again. All state belongs to the one loop in <see cref="RunAsync"/>.
/// </summary>
internal sealed class JobScheduler(
    Plan plan, IBundleDispatcher dispatcher, Channel<SchedulerEvent> events, SchedulerOptions options, IJobObserver observer)
{
    private readonly DatasetStore _datasets = new(plan);
    private readonly List<Stage> _waiting = [.. plan.Stages];
    private readonly Dictionary<Stage, int> _running = [];
    private readonly List<Task> _tasks = [];

    /// <summary>Completes when every stage is done.</summary>
    /// <exception cref="JobFailedException">A bundle failed too often.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            StartReadyStages(stop.Token);
            while (_waiting.Count + _running.Count > 0)
            {
                Handle(await events.Reader.ReadAsync(cancellationToken));
                StartReadyStages(stop.Token);
            }
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(_tasks);
        }
    }

    private void Handle(SchedulerEvent happened)
    {
        switch (happened)
        {
            case SchedulerEvent.Succeeded(var bundle, var result):
                foreach (var (sink, chunks) in result.Outputs) _datasets.Commit(bundle.Stage.Sinks[sink], bundle.Stage.Id, bundle.Index, chunks);
                observer.BundleCommitted(bundle, result);
                if (--_running[bundle.Stage] == 0) Complete(bundle.Stage);
                break;
            case SchedulerEvent.Failed(var bundle, var error, var attempted):
                bundle.Failures++;
                observer.BundleAbandoned(bundle, error, workerIsLost: false, attempted);
                if (bundle.Failures >= options.MaxBundleAttempts || FailureReport.IsDeterministic(error)) throw new JobFailedException(error);
                dispatcher.Enqueue(bundle);
                break;
            case SchedulerEvent.Lost(var bundle, var reason, var attempted):
                bundle.Losses++;
                observer.BundleAbandoned(bundle, reason, workerIsLost: true, attempted);
                if (bundle.Losses >= options.MaxBundleLosses)
                    throw new JobFailedException($"Workers were lost {bundle.Losses} times while they ran the same bundle of {bundle.Stage.Name}. {reason}");
                dispatcher.Enqueue(bundle);
                break;
            case SchedulerEvent.Prepared(var stage, var bundles):
                observer.StageStarted(stage, bundles.Count, bundles.Sum(bundle => bundle.ElementCount));
                _running[stage] = bundles.Count;
                if (bundles.Count == 0) Complete(stage);
                foreach (var bundle in bundles) dispatcher.Enqueue(bundle);
                break;
            case SchedulerEvent.Grouped(var stage, var output):
                _datasets.Commit(stage.Output, stage.Id, 0, output);
                Complete(stage);
                break;
            case SchedulerEvent.Broken(var error):
                throw error is JobFailedException ? error : new JobFailedException(FailureReport.Describe(error, null), error);
        }
    }

    private void StartReadyStages(CancellationToken cancellationToken)
    {
        // A stage that had nothing to do completes at once and may make others ready.
        for (var i = 0; i < _waiting.Count;)
        {
            var stage = _waiting[i];
            if (!stage.Reads.All(_datasets.IsComplete))
            {
                i++;
                continue;
            }

            _waiting.RemoveAt(i);
            Start(stage, cancellationToken);
            i = 0;
        }
    }

    private void Start(Stage stage, CancellationToken cancellationToken)
    {
        switch (stage)
        {
            case ImpulseStage impulse:
                var writer = new ElementWriter();
                writer.Begin(BeamTime.Min, [], ElementWriter.NoFiringPane, 1)[0] = 0; // a length prefix of nothing
                observer.StageStarted(stage, 0, 1);
                _running.Add(stage, 1);
                _datasets.Commit(impulse.Output, stage.Id, 0, writer.Finish());
                Complete(stage);
                break;
            case GroupByKeyStage group:
                var input = _datasets.Read(group.Input);
                observer.StageStarted(stage, 0, input.Sum(chunk => (long)chunk.Count));
                _running.Add(stage, 1);
                StartTask(() => Task.FromResult<SchedulerEvent>(new SchedulerEvent.Grouped(group, GroupByKey.Run(group, input, cancellationToken))));
                break;
            case ExecutableStage executable:
                _running.Add(stage, 1);
                Prepare(executable, cancellationToken);
                break;
        }
    }

    private void Prepare(ExecutableStage stage, CancellationToken cancellationToken)
    {
        var input = _datasets.Read(stage.Input);
        var sides = stage.SideInputs.Select(side => (Key: (side.TransformId, side.Name), View: _datasets.ViewAsync(side.Dataset, side.Access))).ToList();
        StartTask(async () =>
        {
            var parts = BundleSplitter.Split(stage.Input, input, dispatcher.Slots * options.BundlesPerSlot, options.MaxBundleBytes);
            var views = new Dictionary<(string TransformId, string Name), SideInputView>();
            foreach (var (key, view) in sides) views.Add(key, await view.WaitAsync(cancellationToken));
            return new SchedulerEvent.Prepared(stage, [.. parts.Select((part, index) => new Bundle(stage, index, part, views))]);
        });
    }

    /// <summary>Does what takes long beside the loop, which goes on with its outcome.</summary>
    private void StartTask(Func<Task<SchedulerEvent>> work)
    {
        _tasks.RemoveAll(task => task.IsCompleted);
        _tasks.Add(Task.Run(async () =>
        {
            try
            {
                events.Writer.TryWrite(await work());
            }
            catch (OperationCanceledException)
            {
                // The job is over.
            }
            catch (Exception e)
            {
                events.Writer.TryWrite(new SchedulerEvent.Broken(e));
            }
        }));
    }

    private void Complete(Stage stage)
    {
        _running.Remove(stage);
        foreach (var dataset in stage.Writes) _datasets.CompleteWriter(dataset);
        foreach (var dataset in stage.Reads) _datasets.CompleteReader(dataset);
        observer.StageCompleted(stage);
    }
}
