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

        rates.Sort();
        Console.WriteLine($"{what,-64} {rates[rates.Count / 2],14:N0} {unit}/s   ({rates[0]:N0} to {rates[^1]:N0}, {rates.Count} runs)");
    }
}
