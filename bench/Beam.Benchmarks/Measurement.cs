using System.Diagnostics;

namespace Beam.Benchmarks;

/// <summary>Runs something several times and prints its rate.</summary>
internal static class Measurement
{
    /// <summary>Prints the median rate, and the slowest and fastest.</summary>
    public static async Task RateAsync(string what, string unit, long count, BenchmarkSettings settings, Func<Task> run)
    {
        var rates = new List<double>();
        for (var i = 0; i < settings.WarmUps + settings.Repeats; i++)
        {
            var watch = Stopwatch.StartNew();
            await run();
            if (i >= settings.WarmUps) rates.Add(count / watch.Elapsed.TotalSeconds);
        }

        PrintMedian(what, $"{unit}/s", rates);
    }

    /// <summary>Prints the median of some figures, and the smallest and largest.</summary>
    public static double PrintMedian(string what, string unit, List<double> figures, string note = "")
    {
        figures.Sort();
        var median = figures[figures.Count / 2];
        var digits = median switch { >= 100 => "N0", >= 10 => "N1", _ => "N2" };
        var range = figures.Count == 1 ? "" : $"({figures[0].ToString(digits)} to {figures[^1].ToString(digits)}, {figures.Count} runs)";
        Console.WriteLine($"{what,-64} {median.ToString(digits),14} {unit,-10} {range}{(note.Length > 0 ? " " + note : "")}".TrimEnd());
        return median;
    }
}
