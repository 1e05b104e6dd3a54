using System.Collections.Concurrent;
using Beam.Metrics;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Metrics;

/// <summary>
/// The user's metrics of a job, by step. Committed are those of bundles that succeeded; attempted are these, what abandoned bundles had
/// last reported, and what running ones have.
/// </summary>
internal sealed class UserMetrics(IReadOnlyDictionary<string, string> stepNames) : IJobObserver
{
    private readonly Lock _lock = new();
    private readonly MetricCells _ended = new(stepNames);
    private readonly ConcurrentDictionary<Bundle, IReadOnlyList<MetricUpdate>> _running = new();

    public void BundleStarted(Bundle bundle, string workerId) => _running[bundle] = [];

    public void BundleProgress(Bundle bundle, long? elementsRead, IReadOnlyList<MetricUpdate> attempted)
    {
        // A report that comes late finds its bundle ended, and must not bring it back.
        if (_running.TryGetValue(bundle, out var before)) _running.TryUpdate(bundle, attempted, before);
    }

    public void BundleCommitted(Bundle bundle, BundleResult result) => End(bundle, result.Metrics, committed: true);

    public void BundleAbandoned(Bundle bundle, string reason, bool workerIsLost, IReadOnlyList<MetricUpdate> attempted) => End(bundle, attempted, committed: false);

    /// <summary>The metrics so far.</summary>
    public MetricResults Results()
    {
        lock (_lock)
        {
            var all = new MetricCells(_ended);
            foreach (var metrics in _running.Values) all.Add(metrics, committed: false);
            return all.ToResults();
        }
    }

    private void End(Bundle bundle, IReadOnlyList<MetricUpdate> metrics, bool committed)
    {
        lock (_lock)
        {
            _running.TryRemove(bundle, out _);
            _ended.Add(metrics, committed);
        }
    }
}
