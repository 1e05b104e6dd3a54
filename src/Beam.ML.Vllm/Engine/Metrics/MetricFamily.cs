namespace Beam.ML.Vllm.Engine;

/// <summary>What a metric's numbers mean.</summary>
public enum MetricKind
{
    /// <summary>A value that goes up and down.</summary>
    Gauge,

    /// <summary>A count since the engine's start.</summary>
    Counter,

    /// <summary>How many observations fell below which bound.</summary>
    Histogram,
}

/// <summary>A metric and its values at one moment.</summary>
/// <param name="Name">vLLM's name for it, <c>vllm:</c> included. Prometheus' text format appends <c>_total</c> to counters, and <c>_bucket</c>, <c>_sum</c> and <c>_count</c> to histograms.</param>
/// <param name="Help">What it is, in a sentence.</param>
/// <param name="Kind">What its numbers mean.</param>
/// <param name="Samples">One value for each combination of labels.</param>
public sealed record MetricFamily(string Name, string Help, MetricKind Kind, IReadOnlyList<MetricSample> Samples);

/// <summary>One value of a metric.</summary>
/// <param name="Labels">What tells it from the metric's other values, beside the model's name; mostly empty.</param>
/// <param name="Value">The value of a gauge or counter; the sum of a histogram.</param>
/// <param name="Histogram">The buckets of a histogram.</param>
public sealed record MetricSample(IReadOnlyList<KeyValuePair<string, string>> Labels, double Value, HistogramSnapshot? Histogram = null);

/// <summary>A histogram's buckets.</summary>
/// <param name="Bounds">The buckets' upper bounds, rising; the last bucket, without bound, is not among them.</param>
/// <param name="CumulativeCounts">For each bound, the observations that are at most that.</param>
/// <param name="Count">All observations.</param>
/// <param name="Sum">Their sum.</param>
public sealed record HistogramSnapshot(IReadOnlyList<double> Bounds, IReadOnlyList<long> CumulativeCounts, long Count, double Sum);
