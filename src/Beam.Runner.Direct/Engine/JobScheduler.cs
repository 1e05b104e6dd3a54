using System.Threading.Channels;

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
    private readonly List<Task> _groupings = [];

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
            await Task.WhenAll(_groupings);
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
                if (bundle.Failures >= options.MaxBundleAttempts) throw new JobFailedException(error);
                dispatcher.Enqueue(bundle);
                break;
            case SchedulerEvent.Lost(var bundle, var reason, var attempted):
                bundle.Losses++;
                observer.BundleAbandoned(bundle, reason, workerIsLost: true, attempted);
                if (bundle.Losses >= options.MaxBundleLosses)
                    throw new JobFailedException($"Workers were lost {bundle.Losses} times while they ran the same bundle of {bundle.Stage.Name}. {reason}");
                dispatcher.Enqueue(bundle);
                break;
            case SchedulerEvent.Grouped(var stage, var output):
                _datasets.Commit(stage.Output, stage.Id, 0, output);
                Complete(stage);
                break;
            case SchedulerEvent.Broken(var error):
                throw error is JobFailedException ? error : new JobFailedException(error.ToString(), error);
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
                _groupings.RemoveAll(task => task.IsCompleted);
                _groupings.Add(Task.Run(() => Group(group, input, cancellationToken), CancellationToken.None));
                break;
            case ExecutableStage executable:
                StartBundles(executable);
                break;
        }
    }

    private void StartBundles(ExecutableStage stage)
    {
        var views = stage.SideInputs.ToDictionary(side => (side.TransformId, side.Name), side => _datasets.View(side.Dataset, side.Access));
        var inputs = BundleSplitter.Split(stage.Input, _datasets.Read(stage.Input), dispatcher.Slots * options.BundlesPerSlot, options.MaxBundleBytes);
        var bundles = inputs.Select((input, index) => new Bundle(stage, index, input, views)).ToList();
        observer.StageStarted(stage, bundles.Count, bundles.Sum(bundle => bundle.ElementCount));
        _running.Add(stage, bundles.Count);
        if (bundles.Count == 0) Complete(stage);
        foreach (var bundle in bundles) dispatcher.Enqueue(bundle);
    }

    private void Group(GroupByKeyStage stage, IReadOnlyList<Chunk> input, CancellationToken cancellationToken)
    {
        try
        {
            events.Writer.TryWrite(new SchedulerEvent.Grouped(stage, GroupByKey.Run(stage, input, cancellationToken)));
        }
        catch (OperationCanceledException)
        {
            // The job is over.
        }
        catch (Exception e)
        {
            events.Writer.TryWrite(new SchedulerEvent.Broken(e));
        }
    }

    private void Complete(Stage stage)
    {
        _running.Remove(stage);
        foreach (var dataset in stage.Writes) _datasets.CompleteWriter(dataset);
        foreach (var dataset in stage.Reads) _datasets.CompleteReader(dataset);
        observer.StageCompleted(stage);
    }
}
