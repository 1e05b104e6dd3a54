using Beam.ML.Vllm.Engine;

namespace Beam.Benchmarks.Engine;

/// <summary>Tokens per second at several numbers of concurrent requests, each of 64 prompt tokens and 128 output tokens.</summary>
internal sealed class ThroughputBenchmark : IBenchmark
{
    private const int PromptTokens = 64;
    private const int OutputTokens = 128;

    public string Verb => "throughput";

    public string Group => "engine";

    public string Description => "Output tokens per second of tiny-gemma at 1, 8 and 32 concurrent requests.";

    public async Task RunAsync(BenchmarkSettings settings)
    {
        await using var engine = new LlmEngine(EngineRuns.Options(settings));
        foreach (var concurrency in (int[])[1, 8, 32])
        {
            var random = new Random(concurrency);
            Work[] work = [.. Enumerable.Range(0, Math.Max(8, 4 * concurrency)).Select(_ =>
                new Work(EngineRuns.RandomPrompt(random, PromptTokens, engine.VocabularySize), OutputTokens))];
            List<double> rates = [], cpu = [];
            for (var i = 0; i < settings.WarmUps + settings.Repeats; i++)
            {
                var cost = await EngineRuns.MeasureAsync(() => EngineRuns.RunAsync(engine, work, concurrency));
                if (i < settings.WarmUps) continue;
                rates.Add(work.Length * OutputTokens / cost.Wall);
                cpu.Add(cost.Cpu / work.Length / OutputTokens * 1e6);
            }

            var what = $"tiny-gemma: {concurrency} at a time, {PromptTokens} tokens in, {OutputTokens} out";
            Measurement.PrintMedian(what, "tokens/s", rates);
            Measurement.PrintMedian(what, "CPU µs/token", cpu);
        }
    }
}
