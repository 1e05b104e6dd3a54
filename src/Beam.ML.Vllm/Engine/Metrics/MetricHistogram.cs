using System.Diagnostics.Metrics;

namespace Beam.ML.Vllm.Engine;

/// <summary>A histogram that is read in place, and that listeners of its meter hear of as well. Recording allocates nothing.</summary>
internal sealed class MetricHistogram
{
    private readonly Lock _lock = new();
    private readonly string _name;
    private readonly string _help;
    private readonly double[] _bounds;
    private readonly long[] _counts;
    private readonly Histogram<double> _instrument;
    private readonly KeyValuePair<string, object?> _model;
    private bool _isTold = true;
    private double _sum;

    public MetricHistogram(Meter meter, string model, string name, string help, string unit, double[] bounds)
    {
        (_name, _help, _bounds, _counts) = (name, help, bounds, new long[bounds.Length + 1]);
        _model = new KeyValuePair<string, object?>("model_name", model);
        _instrument = meter.CreateHistogram(
            EngineMetrics.InstrumentPrefix + name, unit, help, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
    }

    public void Record(double value)
    {
        var bucket = Array.BinarySearch(_bounds, value);
        lock (_lock)
        {
            _counts[bucket < 0 ? ~bucket : bucket]++;
            _sum += value;
        }

        if (!_isTold || !_instrument.Enabled) return;
        try
        {
            _instrument.Record(value, _model);
        }
        catch (Exception)
        {
            // Listeners are called in the midst of a step, which serves everyone: one that fails is not asked again, and what is read in place stays right.
            _isTold = false;
        }
    }

    public MetricFamily Read(string? name = null)
    {
        var cumulative = new long[_bounds.Length];
        long count = 0;
        double sum;
        lock (_lock)
        {
            for (var i = 0; i < _bounds.Length; i++) cumulative[i] = count += _counts[i];
            count += _counts[^1];
            sum = _sum;
        }

        var sample = new MetricSample([], sum, new HistogramSnapshot(_bounds, cumulative, count, sum));
        return new MetricFamily(EngineMetrics.Prefix + (name ?? _name), _help, MetricKind.Histogram, [sample]);
    }
}
