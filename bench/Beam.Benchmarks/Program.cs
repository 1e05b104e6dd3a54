using Beam.Benchmarks;
using Beam.Benchmarks.Engine;
using Beam.Benchmarks.Pipelines;
using Beam.Cli.Engine.Bench;

// dotnet run -c Release --project bench/Beam.Benchmarks -- [benchmark …] [--name value …]
var tinyGemma = Path.Combine(AppContext.BaseDirectory, "models", "tiny-gemma");
IBenchmark[] all =
[
    new EngineBenchmark("tiny-gemma", tinyGemma, BenchParts.All),
    new EngineBenchmark("random-weights", "random:qwen2.5-0.5b", BenchParts.Speed | BenchParts.Skewed),
    new EngineBenchmark("gemma-2b", "random:gemma-2b", BenchParts.Speed),
    new EngineBenchmark("moe", "random:moe", BenchParts.Speed),
    new StructuredBenchmark(),
    new ServerBenchmark("serve", "random:qwen2.5-0.5b", 32),
    new ServerBenchmark("serve-tiny", tinyGemma, 400),
    new KernelBenchmark(),
    new SpeedBenchmark(tinyGemma),
    new LlamaCppBenchmark(),
    new TokenizerBenchmark(),
    new PipelineBenchmark(),
    new NexmarkBenchmark(),
];
if (args.Any(a => a is "--help" or "-h"))
{
    foreach (var benchmark in all) Console.WriteLine($"{benchmark.Group,-10} {benchmark.Verb,-15} {benchmark.Description}");
    return 0;
}

var settings = BenchmarkSettings.Parse(args, out var verbs);
if (verbs.FirstOrDefault(v => all.All(b => b.Verb != v && b.Group != v)) is { } unknown)
{
    await Console.Error.WriteLineAsync($"There is no benchmark '{unknown}'; there are {string.Join(", ", all.Select(b => b.Group).Concat(all.Select(b => b.Verb)).Distinct())}.");
    return 1;
}

Console.WriteLine($"{Environment.ProcessorCount} cores, .NET {Environment.Version}, {System.Runtime.InteropServices.RuntimeInformation.OSDescription}");
foreach (var benchmark in all.Where(b => (verbs.Count == 0 && b.Group != "speed") || verbs.Contains(b.Verb) || verbs.Contains(b.Group))) await benchmark.RunAsync(settings);
return 0;
