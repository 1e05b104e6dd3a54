namespace Beam.Runner.Direct.Engine;

/// <summary>Tells several observers.</summary>
internal sealed class JobObservers(params IReadOnlyList<IJobObserver> observers) : IJobObserver
{
    public void StageStarted(Stage stage, int bundles, long elements) => Tell(observer => observer.StageStarted(stage, bundles, elements));

    public void StageCompleted(Stage stage) => Tell(observer => observer.StageCompleted(stage));

    public void BundleStarted(Bundle bundle, string workerId) => Tell(observer => observer.BundleStarted(bundle, workerId));

    public void BundleProgress(Bundle bundle, long? elementsRead, IReadOnlyList<MetricUpdate> attempted) =>
        Tell(observer => observer.BundleProgress(bundle, elementsRead, attempted));

    public void BundleCommitted(Bundle bundle, BundleResult result) => Tell(observer => observer.BundleCommitted(bundle, result));

    public void BundleAbandoned(Bundle bundle, string reason, bool workerIsLost, IReadOnlyList<MetricUpdate> attempted) =>
        Tell(observer => observer.BundleAbandoned(bundle, reason, workerIsLost, attempted));

    public void WorkerStarted(string workerId, int? processId) => Tell(observer => observer.WorkerStarted(workerId, processId));

    public void WorkerLost(string workerId, string reason) => Tell(observer => observer.WorkerLost(workerId, reason));

    private void Tell(Action<IJobObserver> what)
    {
        foreach (var observer in observers) what(observer);
    }
}
