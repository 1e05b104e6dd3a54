using System.Diagnostics;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;

namespace Beam.Benchmarks.Engine;

/// <summary>A prompt and the length of its answer.</summary>
internal sealed record Work(int[] Prompt, int OutputTokens);

/// <summary>Seconds by the clock and of processors.</summary>
internal readonly record struct Cost(double Wall, double Cpu)
{
    public static Cost operator -(Cost a, Cost b) => new(a.Wall - b.Wall, a.Cpu - b.Cpu);
}

/// <summary>What the engine's benchmarks share: the models, the prompts and ways to send them.</summary>
internal static class EngineRuns
{
    /// <summary>The small trained model that comes with the repository.</summary>
    public static string TinyGemma { get; } = Path.Combine(AppContext.BaseDirectory, "models", "tiny-gemma");

    public static EngineOptions Options(BenchmarkSettings settings, string? model = null) => new()
    {
        Model = model ?? TinyGemma,
        NumThreads = settings.Threads == 0 ? null : settings.Threads,

        // Repeated runs send the same prompts: they are to be computed each time.
        EnablePrefixCaching = false,
        SkipTokenizerInit = model is not null,
    };

    public static int[] RandomPrompt(Random random, int tokens, int vocabulary) =>
        [.. Enumerable.Range(0, tokens).Select(_ => random.Next(10, vocabulary))];

    /// <summary>
    /// Few long ones among many short ones: prompts log-normal with median 32 and σ 0.8, in [4, 512]; answers log-normal with median 32
    /// and σ 1, in [4, 256]. The same for the same seed.
    /// </summary>
    public static Work[] Skewed(int count, int vocabulary, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
            new Work(RandomPrompt(random, LogNormal(32, 0.8, 512), vocabulary), LogNormal(32, 1, 256)))];

        int LogNormal(double median, double sigma, int most)
        {
            var normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            return (int)Math.Clamp(Math.Round(median * Math.Exp(sigma * normal)), 4, most);
        }
    }

    /// <summary>Greedy, and of exactly the length that the work asks for.</summary>
    public static async Task<RequestMetrics> CompleteAsync(LlmEngine engine, Work work)
    {
        var parameters = new SamplingParams { Temperature = 0, MaxTokens = work.OutputTokens, IgnoreEos = true };
        var output = await engine.CompleteAsync(work.Prompt, parameters);
        if (output.Metrics.OutputTokens != work.OutputTokens)
            throw new InvalidOperationException($"The engine made {output.Metrics.OutputTokens} tokens where {work.OutputTokens} were asked for.");
        return output.Metrics;
    }

    /// <summary>Sends all work, so many requests at a time, each as soon as another has ended.</summary>
    public static async Task<RequestMetrics[]> RunAsync(LlmEngine engine, IReadOnlyList<Work> work, int concurrency)
    {
        var metrics = new RequestMetrics[work.Count];
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, concurrency).Select(async _ =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < work.Count;) metrics[i] = await CompleteAsync(engine, work[i]);
        }));
        return metrics;
    }

    /// <summary>What something took by the clock, and of all processors together: the latter says what the former would be without the neighbours on a busy machine.</summary>
    public static async Task<Cost> MeasureAsync(Func<Task> run)
    {
        var cpu = Environment.CpuUsage.TotalTime;
        var watch = Stopwatch.StartNew();
        await run();
        return new Cost(watch.Elapsed.TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
    }
}
