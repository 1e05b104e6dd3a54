using System.Diagnostics;

namespace Beam;

/// <summary>
/// Chooses the size of the next batch from the times of the last ones: a batch of n takes a + b n, with a and b by least squares. Lives as
/// long as its function, so that what one bundle taught serves the next.
/// </summary>
internal sealed class BatchSizeEstimator(BatchElementsOptions options, Func<long>? clock = null, Random? random = null)
{
    private const int MaxPoints = 100;
    private const int MaxGrowth = 2;
    private const int PointsForTrimming = 20;
    private const int PointsForWeights = 10;

    private readonly Func<long> clock = clock ?? Stopwatch.GetTimestamp;
    private readonly Random random = random ?? Random.Shared;
    private readonly List<Point> points = [];
    private bool ignoreNext;
    private int? replay;

    /// <summary>The next time is that of a bundle's first batch, which pays for things that the others do not: it is not learned from.</summary>
    public void IgnoreNextTiming() => ignoreNext = true;

    /// <summary>Runs what is done with a batch, and learns from how long it takes.</summary>
    public void Time(long batchSize, Action process)
    {
        var start = clock();
        process();
        Record(batchSize, TimeSpan.FromSeconds((double)(clock() - start) / Stopwatch.Frequency));
    }

    /// <summary>Learns how long a batch took.</summary>
    public void Record(long batchSize, TimeSpan elapsed)
    {
        if (ignoreNext)
        {
            ignoreNext = false;
            replay = (int)Math.Min(batchSize, options.MaxBatchSize);
            return;
        }

        points.Add(new(Math.Max(1, batchSize), elapsed.TotalSeconds));
        if (points.Count < MaxPoints) return;
        // Old points count less, and go in pairs: the parity of the count alternates the jitter below.
        points.RemoveAt(random.Next(points.Count / 4));
        points.RemoveAt(random.Next(points.Count / 2));
    }

    /// <summary>The size that the next batch should have.</summary>
    public int NextBatchSize()
    {
        if (replay is { } again)
        {
            replay = null;
            return Math.Max(again, options.MinBatchSize);
        }

        if (options.MinBatchSize == options.MaxBatchSize || points.Count == 0) return options.MinBatchSize;
        // Two different sizes at least, or there is no line to fit.
        if (points.Count == 1) return (int)Math.Min(options.MaxBatchSize, Math.Max((long)options.MinBatchSize * MaxGrowth, options.MinBatchSize + 1L));

        var (fixedCost, perElement) = Fit();
        var target = (double)options.MaxBatchSize;
        if (options.TargetBatchDuration is { } duration) target = Math.Min(target, duration.TotalSeconds / perElement);
        if (options.TargetBatchDurationIncludingFixedCost is { } whole) target = Math.Min(target, (whole.TotalSeconds - fixedCost) / perElement);
        if (options.TargetBatchOverhead is { } overhead) target = Math.Min(target, fixedCost / perElement * ((1 / overhead) - 1));

        // Sizes vary a little for ever: batches of one size would say nothing about another.
        if (points.Count > PointsForWeights) target += target * options.Variance * (random.NextDouble() - 0.5);
        var cap = Math.Min((double)points[^1].Size * MaxGrowth, options.MaxBatchSize);
        var jitter = points.Count % 2;
        return (int)Math.Min(options.MaxBatchSize, Math.Max(options.MinBatchSize + jitter, Math.Min(target, cap)));
    }

    /// <summary>Fixed cost and cost of one more, in seconds; both positive.</summary>
    private (double Fixed, double PerElement) Fit()
    {
        // The largest batches are the noisiest, and would weigh most.
        var used = points.OrderBy(p => p.Size).ThenBy(p => p.Seconds).Take(Math.Max(PointsForTrimming, points.Count * 4 / 5)).ToArray();
        var weighted = used.Length >= PointsForWeights;
        if (weighted) used = WithoutOutliers(used);
        var (a, b) = Line(used, weighted);
        return (Math.Max(a, 1e-10), Math.Max(b, 1e-20));
    }

    /// <summary>Without the points that alone would move the line far (by Cook's distance).</summary>
    private static Point[] WithoutOutliers(Point[] all)
    {
        var (a, b) = Line(all, weighted: true);
        var residuals = all.Select(p => p.Seconds - (a + (b * p.Size))).ToArray();
        var meanSquare = residuals.Sum(r => r * r) / (all.Length - 2);
        var mean = all.Average(p => p.Size);
        var spread = all.Sum(p => (p.Size - mean) * (p.Size - mean));
        if (meanSquare <= 0 || spread <= 0) return all;
        var kept = all.Where((p, i) =>
        {
            var leverage = (1.0 / all.Length) + ((p.Size - mean) * (p.Size - mean) / spread);
            var distance = residuals[i] * residuals[i] / (2 * meanSquare) * leverage / Math.Max(1e-12, (1 - leverage) * (1 - leverage));
            return distance <= 4.0 / all.Length;
        }).ToArray();
        return kept.Select(p => p.Size).Distinct().Take(2).Count() == 2 ? kept : all;
    }

    private static (double Intercept, double Slope) Line(Point[] points, bool weighted)
    {
        double weights = 0, x = 0, y = 0;
        foreach (var p in points)
        {
            var w = weighted ? 1.0 / p.Size : 1;
            weights += w;
            x += w * p.Size;
            y += w * p.Seconds;
        }

        (x, y) = (x / weights, y / weights);
        double xy = 0, xx = 0;
        foreach (var p in points)
        {
            var w = weighted ? 1.0 / p.Size : 1;
            xy += w * (p.Size - x) * (p.Seconds - y);
            xx += w * (p.Size - x) * (p.Size - x);
        }

        // One size only: all of its cost is per element.
        if (xx == 0) return (0, y / x);
        var slope = xy / xx;
        return (y - (slope * x), slope);
    }

    private readonly record struct Point(long Size, double Seconds);
}
