using System.Text;
using System.Text.Json;

namespace Beam.Cli.Engine.Bench;

/// <summary>A figure: by the clock and, where that says something else, of processors.</summary>
/// <param name="Key">Names it for programs.</param>
/// <param name="What">Names it for people.</param>
/// <param name="Unit">Of the figures; empty for a ratio.</param>
/// <param name="Wall">By the clock.</param>
/// <param name="Cpu">Of a second of one processor, or of all processors' seconds, as <paramref name="CpuUnit"/> says.</param>
/// <param name="CpuUnit">The unit of <paramref name="Cpu"/>.</param>
internal sealed record BenchLine(string Key, string What, string Unit, Samples Wall, Samples? Cpu = null, string CpuUnit = "");

/// <summary>The figures of a run, as text, as JSON and as a Markdown table.</summary>
internal sealed class BenchReport
{
    private readonly List<BenchLine> _lines = [];

    public List<string> Header { get; } = [];

    public IReadOnlyList<BenchLine> Lines => _lines;

    /// <summary>Told of each line as soon as there is one.</summary>
    public Action<BenchLine>? Added { get; init; }

    public void Add(BenchLine line)
    {
        _lines.Add(line);
        Added?.Invoke(line);
    }

    /// <summary>A rate by the clock and per CPU second.</summary>
    public void Add(string key, string what, string unit, IReadOnlyCollection<Rate> rates) => Add(new BenchLine(
        key, what, unit.Length == 0 ? "" : unit + "/s", new Samples(rates.Select(r => r.Wall)), new Samples(rates.Select(r => r.Cpu)), unit.Length == 0 ? "" : unit + "/CPU s"));

    public static string Text(BenchLine line)
    {
        var cpu = line.Cpu is null ? "" : $"   CPU: {line.Cpu} {line.CpuUnit}".TrimEnd();
        return $"{line.What,-58} {line.Wall + (line.Unit.Length > 0 ? " " + line.Unit : ""),-34}{cpu}".TrimEnd();
    }

    public string Json() => JsonSerializer.Serialize(
        new
        {
            header = Header,
            lines = _lines.Select(l => new { key = l.Key, what = l.What, unit = l.Unit, wall = Figures(l.Wall), cpu = l.Cpu is null ? null : Figures(l.Cpu), cpu_unit = l.CpuUnit }),
        },
        JsonOptions);

    public string Markdown()
    {
        var text = new StringBuilder("| what | by the clock | CPU |\n| --- | --- | --- |\n");
        foreach (var line in _lines)
            text.Append($"| {line.What} | {line.Wall} {line.Unit}".TrimEnd()).Append($" | {(line.Cpu is null ? "" : $"{line.Cpu} {line.CpuUnit}".TrimEnd())} |\n");
        return text.ToString();
    }

    private static JsonSerializerOptions JsonOptions { get; } = new() { WriteIndented = true };

    private static object Figures(Samples samples) => new { min = samples.Min, median = samples.Median, max = samples.Max, count = samples.Count };
}
