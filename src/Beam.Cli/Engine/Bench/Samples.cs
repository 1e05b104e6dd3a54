using System.Globalization;

namespace Beam.Cli.Engine.Bench;

/// <summary>What several runs came to: the median, with the smallest and the largest.</summary>
internal sealed class Samples
{
    private readonly double[] _sorted;

    public Samples(IEnumerable<double> values)
    {
        _sorted = [.. values.Order()];
        if (_sorted.Length == 0) throw new ArgumentException("There are no samples.", nameof(values));
    }

    public double Median => _sorted[_sorted.Length / 2];

    public double Min => _sorted[0];

    public double Max => _sorted[^1];

    public int Count => _sorted.Length;

    /// <summary>Such as 0.82 (0.79 to 0.84).</summary>
    public override string ToString() => Count == 1 ? Format(Median) : $"{Format(Median)} ({Format(Min)} to {Format(Max)})";

    private static string Format(double value) =>
        value.ToString(Math.Abs(value) switch { >= 1000 => "N0", >= 100 => "N0", >= 10 => "N1", _ => "N2" }, CultureInfo.InvariantCulture);
}
