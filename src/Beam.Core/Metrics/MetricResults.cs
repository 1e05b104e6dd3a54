namespace Beam.Metrics;

/// <summary>Count, sum, minimum and maximum of what was reported.</summary>
/// <param name="Count">How many values.</param>
/// <param name="Sum">Their sum.</param>
/// <param name="Min">The smallest; <see cref="long.MaxValue"/> if there is none.</param>
/// <param name="Max">The largest; <see cref="long.MinValue"/> if there is none.</param>
public readonly record struct DistributionResult(long Count, long Sum, long Min, long Max)
{
    /// <summary>Of no values.</summary>
    public static DistributionResult Empty => new(0, 0, long.MaxValue, long.MinValue);

    /// <summary>The average; NaN if there is no value.</summary>
    public double Mean => Count == 0 ? double.NaN : (double)Sum / Count;

    /// <summary>With one value more.</summary>
    public DistributionResult Add(long value) => new(Count + 1, Sum + value, Math.Min(Min, value), Math.Max(Max, value));

    /// <summary>Of the values of both.</summary>
    public DistributionResult Merge(DistributionResult other) =>
        new(Count + other.Count, Sum + other.Sum, Math.Min(Min, other.Min), Math.Max(Max, other.Max));
}

/// <summary>The latest value of a gauge.</summary>
/// <param name="Value">The value.</param>
/// <param name="Timestamp">When it was set.</param>
public readonly record struct GaugeResult(long Value, Timestamp Timestamp)
{
    /// <summary>The later of both.</summary>
    public GaugeResult Merge(GaugeResult other) => other.Timestamp > Timestamp ? other : this;
}

/// <summary>A metric of one step.</summary>
/// <param name="Step">The transform's full name.</param>
/// <param name="Name">The metric's name.</param>
/// <param name="Committed">What bundles that succeeded reported.</param>
/// <param name="Attempted">What all attempts reported, failed ones included.</param>
/// <typeparam name="T">The kind's result.</typeparam>
public sealed record MetricResult<T>(string Step, MetricName Name, T Committed, T Attempted);

/// <summary>All metrics of a run, or those that a query selected.</summary>
/// <param name="Counters">Counters.</param>
/// <param name="Distributions">Distributions.</param>
/// <param name="Gauges">Gauges.</param>
/// <param name="StringSets">String sets.</param>
public sealed record MetricResults(
    IReadOnlyList<MetricResult<long>> Counters,
    IReadOnlyList<MetricResult<DistributionResult>> Distributions,
    IReadOnlyList<MetricResult<GaugeResult>> Gauges,
    IReadOnlyList<MetricResult<IReadOnlySet<string>>> StringSets)
{
    /// <summary>No metrics.</summary>
    public static MetricResults Empty { get; } = new([], [], [], []);

    /// <summary>The metrics of a namespace, a name or a step; what is null selects all.</summary>
    /// <param name="ns">The namespace.</param>
    /// <param name="name">The name.</param>
    /// <param name="step">The step's full name, or whole parts of it (<c>"Infer"</c> matches <c>"Main/Infer/Call"</c>).</param>
    public MetricResults Query(string? ns = null, string? name = null, string? step = null)
    {
        return new(Select(Counters), Select(Distributions), Select(Gauges), Select(StringSets));

        List<MetricResult<T>> Select<T>(IReadOnlyList<MetricResult<T>> all) => [.. all.Where(m =>
            (ns is null || m.Name.Namespace == ns) && (name is null || m.Name.Name == name) &&
            (step is null || $"/{m.Step}/".Contains($"/{step}/", StringComparison.Ordinal)))];
    }

    /// <summary>The committed sum of a counter over all steps; 0 if nobody reported it.</summary>
    public long CounterValue(string ns, string name) => Query(ns, name).Counters.Sum(c => c.Committed);

    /// <summary>The committed values of a distribution over all steps.</summary>
    public DistributionResult DistributionValue(string ns, string name) =>
        Query(ns, name).Distributions.Aggregate(DistributionResult.Empty, (sum, d) => sum.Merge(d.Committed));
}
