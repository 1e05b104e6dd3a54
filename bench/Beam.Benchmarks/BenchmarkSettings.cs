using System.Globalization;

namespace Beam.Benchmarks;

/// <summary>How much is measured, and how often.</summary>
/// <param name="Elements">Elements of the pipelines.</param>
/// <param name="Events">Events of the Nexmark queries.</param>
/// <param name="Repeats">Runs that count.</param>
/// <param name="WarmUps">Runs before them that do not.</param>
/// <param name="Workers">Workers of the local runner; 0 for one a core.</param>
/// <param name="Threads">Threads of the engine; 0 for one a core.</param>
internal sealed record BenchmarkSettings(
    long Elements = 1_000_000, int Events = 100_000, int Repeats = 3, int WarmUps = 1, int Workers = 0, int Threads = 0)
{
    public static BenchmarkSettings Parse(string[] args, out List<string> verbs)
    {
        var settings = new BenchmarkSettings();
        verbs = [];
        for (var i = 0; i < args.Length; i++)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal))
            {
                verbs.Add(args[i]);
                continue;
            }

            var value = i + 1 < args.Length ? int.Parse(args[i + 1], CultureInfo.InvariantCulture) : throw new ArgumentException($"{args[i]} needs a number.");
            settings = args[i++] switch
            {
                "--elements" => settings with { Elements = value },
                "--events" => settings with { Events = value },
                "--repeats" => settings with { Repeats = value },
                "--warm-ups" => settings with { WarmUps = value },
                "--workers" => settings with { Workers = value },
                "--threads" => settings with { Threads = value },
                var unknown => throw new ArgumentException($"There is no option {unknown}; there are --elements, --events, --repeats, --warm-ups, --workers, --threads."),
            };
        }

        return settings;
    }
}
