namespace Beam.Metrics;

/// <summary>
/// User metrics: named counters, distributions, gauges and string sets that functions update while they run and that the result of the
/// pipeline can be asked for. Updates count for the transform that is running, and are committed with its bundle.
/// </summary>
public static class Metric
{
    /// <summary>A counter in the namespace of a type.</summary>
    public static Counter Counter(Type ns, string name) => new(new MetricName(ns.FullName ?? ns.Name, name));

    /// <summary>A counter.</summary>
    public static Counter Counter(string ns, string name) => new(new MetricName(ns, name));

    /// <summary>A distribution in the namespace of a type.</summary>
    public static Distribution Distribution(Type ns, string name) => new(new MetricName(ns.FullName ?? ns.Name, name));

    /// <summary>A distribution.</summary>
    public static Distribution Distribution(string ns, string name) => new(new MetricName(ns, name));

    /// <summary>A gauge in the namespace of a type.</summary>
    public static Gauge Gauge(Type ns, string name) => new(new MetricName(ns.FullName ?? ns.Name, name));

    /// <summary>A gauge.</summary>
    public static Gauge Gauge(string ns, string name) => new(new MetricName(ns, name));

    /// <summary>A string set.</summary>
    public static StringSet StringSet(string ns, string name) => new(new MetricName(ns, name));
}

/// <summary>A metric's name.</summary>
/// <param name="Namespace">Usually the type that reports it.</param>
/// <param name="Name">The name within the namespace.</param>
public sealed record MetricName(string Namespace, string Name);

/// <summary>A sum of 64-bit integers.</summary>
/// <param name="Name">Its name.</param>
public sealed record Counter(MetricName Name)
{
    /// <summary>Adds <paramref name="n"/>, which may be negative.</summary>
    public void Inc(long n = 1) => MetricsEnvironment.Current?.Counter(Name).Add(n);

    /// <summary>Subtracts <paramref name="n"/>.</summary>
    public void Dec(long n = 1) => Inc(-n);
}

/// <summary>Count, sum, minimum and maximum of 64-bit integers.</summary>
/// <param name="Name">Its name.</param>
public sealed record Distribution(MetricName Name)
{
    /// <summary>Adds a value.</summary>
    public void Update(long value) => MetricsEnvironment.Current?.Distribution(Name).Update(value);
}

/// <summary>The latest of the values that were reported.</summary>
/// <param name="Name">Its name.</param>
public sealed record Gauge(MetricName Name)
{
    /// <summary>Reports a value as of now.</summary>
    public void Set(long value) => MetricsEnvironment.Current?.Gauge(Name).Set(value);
}

/// <summary>The set of strings that were reported.</summary>
/// <param name="Name">Its name.</param>
public sealed record StringSet(MetricName Name)
{
    /// <summary>Adds a string.</summary>
    public void Add(string value) => MetricsEnvironment.Current?.StringSet(Name).Add(value);
}
