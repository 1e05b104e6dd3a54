namespace Beam.Runner.Direct.Engine;

/// <summary>Is told what happens in a job, for progress and statistics. Calls come from several threads and must return at once.</summary>
internal interface IJobObserver
{
    void StageStarted(Stage stage, int bundles, long elements)
    {
    }

    void StageCompleted(Stage stage)
    {
    }

    void BundleStarted(Bundle bundle, string workerId)
    {
    }

    /// <summary>A running bundle has read so many of its elements, if the harness says how many, and has reported these metrics so far.</summary>
    void BundleProgress(Bundle bundle, long? elementsRead, IReadOnlyList<MetricUpdate> attempted)
    {
    }

    void BundleCommitted(Bundle bundle, BundleResult result)
    {
    }

    /// <summary>
    /// A bundle runs again, or the job ends; the bundle counts this failure or loss already. What it has reported so far does not count.
    /// </summary>
    void BundleAbandoned(Bundle bundle, string reason, bool workerIsLost, IReadOnlyList<MetricUpdate> attempted)
    {
    }

    void WorkerStarted(string workerId, int? processId)
    {
    }

    void WorkerLost(string workerId, string reason)
    {
    }
}
