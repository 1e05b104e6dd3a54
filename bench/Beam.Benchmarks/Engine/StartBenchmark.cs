using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;

namespace Beam.Benchmarks.Engine;

/// <summary>How long an engine takes to its first token, and what it costs while it has nothing to do.</summary>
internal sealed class StartBenchmark : IBenchmark
{
    public string Verb => "start";

    public string Group => "engine";

    public string Description => "From `new LlmEngine` to the first token, compilation by the JIT included, and the processor time of an idle engine.";

    public async Task RunAsync(BenchmarkSettings settings)
    {
        // It is the first benchmark: in this process nothing of the engine has been compiled before the first run.
        var first = await FirstTokenAsync(settings);
        Measurement.PrintMedian("tiny-gemma: load to first token, first in its process", "ms", [first.Wall * 1000], $"{first.Cpu * 1000:N0} CPU ms");
        var again = new List<double>();
        for (var i = 0; i < settings.Repeats; i++) again.Add((await FirstTokenAsync(settings)).Wall * 1000);
        Measurement.PrintMedian("tiny-gemma: load to first token, once more", "ms", again);

        await using var engine = new LlmEngine(EngineRuns.Options(settings));
        await EngineRuns.CompleteAsync(engine, new Work([2, 100, 200], 16));
        var idle = TimeSpan.FromSeconds(3);
        await Task.Delay(idle / 3);
        var before = Environment.CpuUsage.TotalTime;
        await Task.Delay(idle);
        Measurement.PrintMedian("tiny-gemma: an idle engine", "% of a core", [(Environment.CpuUsage.TotalTime - before) / idle * 100]);
    }

    private static Task<Cost> FirstTokenAsync(BenchmarkSettings settings) => EngineRuns.MeasureAsync(async () =>
    {
        await using var engine = new LlmEngine(EngineRuns.Options(settings));
        await engine.CompleteAsync("What is the capital of France?", new SamplingParams { Temperature = 0, MaxTokens = 1 });
    });
}
