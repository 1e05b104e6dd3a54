namespace Beam.Metrics;

/// <summary>The metrics of one transform in one bundle. Cells are updated from the bundle's thread and from its asynchronous elements.</summary>
internal sealed class MetricsContainer
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<MetricName, CounterCell> counters = new();
    private readonly System.Collections.Concurrent.ConcurrentDictionary<MetricName, DistributionCell> distributions = new();
    private readonly System.Collections.Concurrent.ConcurrentDictionary<MetricName, GaugeCell> gauges = new();
    private readonly System.Collections.Concurrent.ConcurrentDictionary<MetricName, StringSetCell> stringSets = new();

    public IEnumerable<KeyValuePair<MetricName, CounterCell>> Counters => counters;
    public IEnumerable<KeyValuePair<MetricName, DistributionCell>> Distributions => distributions;
    public IEnumerable<KeyValuePair<MetricName, GaugeCell>> Gauges => gauges;
    public IEnumerable<KeyValuePair<MetricName, StringSetCell>> StringSets => stringSets;

    public CounterCell Counter(MetricName name) => counters.GetOrAdd(name, static _ => new());
    public DistributionCell Distribution(MetricName name) => distributions.GetOrAdd(name, static _ => new());
    public GaugeCell Gauge(MetricName name) => gauges.GetOrAdd(name, static _ => new());
    public StringSetCell StringSet(MetricName name) => stringSets.GetOrAdd(name, static _ => new());
}

/// <summary>A sum.</summary>
internal sealed class CounterCell
{
    private long value;

    public long Value => Interlocked.Read(ref value);

    public void Add(long n) => Interlocked.Add(ref value, n);
}

/// <summary>Count, sum, minimum and maximum.</summary>
internal sealed class DistributionCell
{
    private readonly Lock gate = new();
    private DistributionResult value = DistributionResult.Empty;

    public DistributionResult Value
    {
        get { lock (gate) return value; }
    }

    public void Update(long n)
    {
        lock (gate) value = value.Add(n);
    }
}

/// <summary>The latest value and when it was set.</summary>
internal sealed class GaugeCell
{
    private readonly Lock gate = new();
    private GaugeResult? value;

    public GaugeResult? Value
    {
        get { lock (gate) return value; }
    }

    public void Set(long n)
    {
        lock (gate) value = new GaugeResult(n, Timestamp.FromDateTimeOffset(DateTimeOffset.UtcNow));
    }
}

/// <summary>A set of strings.</summary>
internal sealed class StringSetCell
{
    private readonly Lock gate = new();
    private readonly HashSet<string> values = [];

    public IReadOnlyCollection<string> Values
    {
        get { lock (gate) return [.. values]; }
    }

    public void Add(string value)
    {
        lock (gate) values.Add(value);
    }
}
