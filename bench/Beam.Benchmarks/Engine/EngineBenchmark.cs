using Beam.Cli.Engine.Bench;
using Beam.ML.Vllm.Engine;

namespace Beam.Benchmarks.Engine;

/// <summary>What <c>beam engine bench</c> measures, of one model.</summary>
/// <param name="verb">What it is called.</param>
/// <param name="model">A folder, or random weights.</param>
/// <param name="parts">What is measured of it.</param>
internal sealed class EngineBenchmark(string verb, string model, BenchParts parts) : IBenchmark
{
    /// <summary>The sources' folder: what other programs are installed in lies there.</summary>
    public static string Repository { get; } = FindRepository();

    public string Verb => verb;

    public string Group => "engine";

    public string Description => $"{Path.GetFileName(model)}: {parts}, as `beam engine bench` measures it.";

    public async Task RunAsync(BenchmarkSettings settings)
    {
        using var opened = BenchModel.Open(model);
        var options = new EngineOptions { Model = opened.Folder, NumThreads = settings.Threads == 0 ? null : settings.Threads };
        Console.WriteLine(BenchCommand.Describe(opened, options.NumThreads ?? Environment.ProcessorCount));
        var report = new BenchReport { Added = line => Console.WriteLine(BenchReport.Text(line)) };
        await new EngineBench(options, opened, new BenchSettings { Repeats = settings.Repeats, Parts = parts }, report).RunAsync(CancellationToken.None);
        foreach (var line in report.Header) Console.WriteLine(line);
    }

    private static string FindRepository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Beam.slnx"))) folder = folder.Parent;
        return folder?.FullName ?? Environment.CurrentDirectory;
    }
}
