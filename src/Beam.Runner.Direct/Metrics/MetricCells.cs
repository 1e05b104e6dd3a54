using Beam.Metrics;
using Beam.Model;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Metrics;

/// <summary>What metrics of each step and name add up to, committed and attempted.</summary>
internal sealed class MetricCells
{
    private readonly IReadOnlyDictionary<string, string> _stepNames;
    private readonly Dictionary<Key, Cell<long>> _counters = [];
    private readonly Dictionary<Key, Cell<DistributionResult>> _distributions = [];
    private readonly Dictionary<Key, Cell<GaugeResult>> _gauges = [];
    private readonly Dictionary<Key, Cell<IReadOnlySet<string>>> _stringSets = [];

    public MetricCells(IReadOnlyDictionary<string, string> stepNames) => _stepNames = stepNames;

    /// <summary>A copy that others are added to.</summary>
    public MetricCells(MetricCells other) : this(other._stepNames)
    {
        _counters = new(other._counters);
        _distributions = new(other._distributions);
        _gauges = new(other._gauges);
        _stringSets = new(other._stringSets);
    }

    private readonly record struct Key(string Step, MetricName Name);

    private sealed record Cell<T>(T? Committed, T? Attempted, bool IsCommitted);

    public MetricResults ToResults() => new(
        List(_counters, 0), List(_distributions, DistributionResult.Empty), List(_gauges, default), List<IReadOnlySet<string>>(_stringSets, new HashSet<string>()));

    public void Add(IReadOnlyList<MetricUpdate> metrics, bool committed)
    {
        foreach (var metric in metrics)
        {
            if (!metric.Labels.TryGetValue(BeamUrns.MetricLabels.Transform, out var transform) ||
                !metric.Labels.TryGetValue(BeamUrns.MetricLabels.Namespace, out var ns) ||
                !metric.Labels.TryGetValue(BeamUrns.MetricLabels.Name, out var name)) continue;
            var key = new Key(_stepNames.GetValueOrDefault(transform, transform), new MetricName(ns, name));
            var payload = metric.Payload.Span;
            switch (metric.Type)
            {
                case BeamUrns.MonitoringTypes.SumInt64:
                    Merge(_counters, key, MetricPayload.Sum(payload), static (a, b) => a + b, committed);
                    break;
                case BeamUrns.MonitoringTypes.DistributionInt64:
                    Merge(_distributions, key, MetricPayload.Distribution(payload), static (a, b) => a.Merge(b), committed);
                    break;
                case BeamUrns.MonitoringTypes.LatestInt64:
                    Merge(_gauges, key, MetricPayload.Latest(payload), static (a, b) => a.Merge(b), committed);
                    break;
                case BeamUrns.MonitoringTypes.SetString:
                    Merge<IReadOnlySet<string>>(_stringSets, key, MetricPayload.StringSet(payload), static (a, b) => a.Union(b).ToHashSet(), committed);
                    break;
            }
        }
    }

    private static List<MetricResult<T>> List<T>(Dictionary<Key, Cell<T>> cells, T nothing) =>
    [
        .. cells
            .OrderBy(cell => cell.Key.Step, StringComparer.Ordinal).ThenBy(cell => cell.Key.Name.ToString(), StringComparer.Ordinal)
            .Select(cell => new MetricResult<T>(cell.Key.Step, cell.Key.Name, cell.Value.IsCommitted ? cell.Value.Committed! : nothing, cell.Value.Attempted!)),
    ];

    private static void Merge<T>(Dictionary<Key, Cell<T>> cells, Key key, T value, Func<T, T, T> merge, bool committed)
    {
        var cell = cells.GetValueOrDefault(key);
        var attempted = cell is null ? value : merge(cell.Attempted!, value);
        cells[key] = !committed
            ? new Cell<T>(cell is null ? default : cell.Committed, attempted, cell?.IsCommitted ?? false)
            : new Cell<T>(cell is { IsCommitted: true } ? merge(cell.Committed!, value) : value, attempted, true);
    }
}
