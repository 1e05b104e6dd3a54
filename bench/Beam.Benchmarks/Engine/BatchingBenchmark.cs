using Beam.ML.Vllm.Engine;

namespace Beam.Benchmarks.Engine;

/// <summary>What batching saves: the same skewed work one request after the other, and all at once.</summary>
internal sealed class BatchingBenchmark : IBenchmark
{
    private const int Prompts = 64;

    public string Verb => "batching";

    public string Group => "engine";

    public string Description => "CPU seconds per prompt of tiny-gemma on skewed work, serial and with continuous batching.";

    public async Task RunAsync(BenchmarkSettings settings)
    {
        await using var engine = new LlmEngine(EngineRuns.Options(settings));
        await RunAsync("tiny-gemma", engine, EngineRuns.Skewed(Prompts, engine.VocabularySize), settings.WarmUps, settings.Repeats);
    }

    /// <summary>Alternates between the two, so that a busy machine slows both.</summary>
    public static async Task RunAsync(string model, LlmEngine engine, Work[] work, int warmUps, int repeats)
    {
        Console.WriteLine(
            $"{model}, skewed work: {work.Length} prompts of {work.Min(w => w.Prompt.Length)} to {work.Max(w => w.Prompt.Length)} tokens " +
            $"({work.Sum(w => w.Prompt.Length)} in all), answers of {work.Min(w => w.OutputTokens)} to {work.Max(w => w.OutputTokens)} ({work.Sum(w => w.OutputTokens)})");
        List<double> serial = [], continuous = [], cpu = [], wall = [];
        for (var i = 0; i < warmUps + repeats; i++)
        {
            var one = await EngineRuns.MeasureAsync(() => EngineRuns.RunAsync(engine, work, concurrency: 1));
            var all = await EngineRuns.MeasureAsync(() => EngineRuns.RunAsync(engine, work, concurrency: work.Length));
            if (i < warmUps) continue;
            serial.Add(one.Cpu * 1000 / work.Length);
            continuous.Add(all.Cpu * 1000 / work.Length);
            cpu.Add(one.Cpu / all.Cpu);
            wall.Add(one.Wall / all.Wall);
        }

        Measurement.PrintMedian($"{model}: serial", "CPU ms/prompt", serial);
        Measurement.PrintMedian($"{model}: continuous batching", "CPU ms/prompt", continuous);
        Measurement.PrintMedian($"{model}: serial ÷ continuous, CPU seconds per prompt", "times", cpu);
        Measurement.PrintMedian($"{model}: serial ÷ continuous, wall clock", "times", wall);
    }
}
