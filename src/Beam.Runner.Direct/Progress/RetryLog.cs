using System.Globalization;
using Beam.Harness;
using Beam.Runner.Direct.Engine;
using Beam.Runner.Direct.Workers;

namespace Beam.Runner.Direct.Progress;

/// <summary>Says in the log what a job survives: bundles that run again and workers that are replaced.</summary>
internal sealed class RetryLog(WorkerLog log, SchedulerOptions limits) : IJobObserver
{
    private const string Source = "runner";

    public void BundleAbandoned(Bundle bundle, string reason, bool workerIsLost, IReadOnlyList<MetricUpdate> attempted)
    {
        if (!workerIsLost && FailureReport.IsDeterministic(reason)) return; // nothing is survived: it ends the job, which says so
        var lineEnd = reason.AsSpan().IndexOfAny('\r', '\n');
        var first = lineEnd < 0 ? reason : reason[..lineEnd];
        log.Write(SdkHarnessLogLevel.Warn, Source, workerIsLost
            ? string.Create(CultureInfo.InvariantCulture, $"Bundle {bundle.Index} of {bundle.Stage.Name} lost its worker, time {bundle.Losses} of {limits.MaxBundleLosses}: {first}")
            : string.Create(CultureInfo.InvariantCulture, $"Bundle {bundle.Index} of {bundle.Stage.Name} failed, attempt {bundle.Failures} of {limits.MaxBundleAttempts}: {first}"));
        if (lineEnd >= 0) log.Write(SdkHarnessLogLevel.Debug, Source, reason);
    }

    public void WorkerLost(string workerId, string reason) => log.Write(SdkHarnessLogLevel.Warn, Source, $"{workerId} is lost: {reason}");
}
