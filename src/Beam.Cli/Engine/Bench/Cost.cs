using System.Diagnostics;

namespace Beam.Cli.Engine.Bench;

/// <summary>
/// Seconds by the clock, and of all processors together: the latter say what the former would be without the neighbours on a busy machine.
/// </summary>
internal readonly record struct Cost(double Wall, double Cpu)
{
    public static Cost operator -(Cost a, Cost b) => new(a.Wall - b.Wall, a.Cpu - b.Cpu);

    public static Cost operator /(Cost a, double n) => new(a.Wall / n, a.Cpu / n);

    /// <summary>Since the process started.</summary>
    public static Cost Now() => new(Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency, Environment.CpuUsage.TotalTime.TotalSeconds);

    public static async Task<Cost> OfAsync(Func<Task> run)
    {
        var start = Now();
        await run();
        return Now() - start;
    }
}

/// <summary>Work per second by the clock, and per second of one processor.</summary>
internal readonly record struct Rate(double Wall, double Cpu)
{
    public static Rate operator *(Rate a, double n) => new(a.Wall * n, a.Cpu * n);

    public static Rate operator /(Rate a, Rate b) => new(a.Wall / b.Wall, a.Cpu / b.Cpu);

    public static Rate Of(double work, Cost cost) => new(work / cost.Wall, work / cost.Cpu);

    /// <summary>The better of two by each measure.</summary>
    public static Rate Best(Rate a, Rate b) => new(Math.Max(a.Wall, b.Wall), Math.Max(a.Cpu, b.Cpu));
}
