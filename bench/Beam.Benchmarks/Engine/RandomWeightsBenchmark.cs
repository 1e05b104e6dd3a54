using Beam.ML.Vllm.Engine;

namespace Beam.Benchmarks.Engine;

/// <summary>
/// Speed that depends on a model's size and not on what it says: random weights, beside what the machine's memory and arithmetic can do
/// at best in the same run. Attention is left out of the operations counted.
/// </summary>
internal sealed class RandomWeightsBenchmark : IBenchmark
{
    private const int Batch = 32;
    private const int PrefillTokens = 512;

    public string Verb => "random-weights";

    public string Group => "engine";

    public string Description => "Decode and prefill of a 0.4 B parameter model of random weights, beside the machine's measured peaks.";

    public async Task RunAsync(BenchmarkSettings settings)
    {
        var threads = settings.Threads == 0 ? Environment.ProcessorCount : settings.Threads;
        using var checkpoint = new RandomCheckpoint();
        var gigabytes = 2e-9 * RandomCheckpoint.Parameters;
        Console.WriteLine(
            $"random weights: a Gemma of {RandomCheckpoint.Parameters / 1e9:N2} B parameters in bfloat16 ({gigabytes:N2} GB), {RandomCheckpoint.Layers} layers, " +
            $"hidden {RandomCheckpoint.Hidden}, MLP {RandomCheckpoint.Intermediate}, {RandomCheckpoint.Heads}/{RandomCheckpoint.KeyValueHeads} heads, vocabulary {RandomCheckpoint.Vocabulary}; {threads} threads");
        await using var engine = new LlmEngine(EngineRuns.Options(settings, checkpoint.Folder));

        // Peaks and runs take turns, so that a busy machine shows in both.
        List<double> bandwidth = [], peak = [], single = [], batch = [], prefill = [];
        await DecodeAsync(engine, 1, outputs: 4);
        for (var i = 0; i < settings.Repeats; i++)
        {
            bandwidth.Add(MachinePeaks.ReadBandwidth(threads));
            single.Add(await DecodeAsync(engine, 1, outputs: 33));
            peak.Add(MachinePeaks.FusedMultiplyAdd(threads));
            batch.Add(await DecodeAsync(engine, Batch, outputs: 17));
            prefill.Add(await PrefillAsync(engine));
        }

        var decodeOperations = 2e-9 * RandomCheckpoint.Parameters;
        var prefillOperations = 2e-9 * (RandomCheckpoint.LayerParameters + ((double)RandomCheckpoint.HeadParameters / PrefillTokens));
        var (read, fma) = (bandwidth.Max(), peak.Max());
        Measurement.PrintMedian("the machine: reading memory", "GB/s", bandwidth);
        Measurement.PrintMedian("the machine: fused multiply-adds on floats", "GFLOP/s", peak);
        var tokens = Measurement.PrintMedian("random weights: decode, 1 at a time", "tokens/s", single);
        Console.WriteLine($"    {tokens * gigabytes:N1} GB/s of weights, {tokens * gigabytes / read:P0} of the best reading");
        tokens = Measurement.PrintMedian($"random weights: decode, {Batch} at a time", "tokens/s", batch);
        Console.WriteLine($"    {tokens * decodeOperations:N0} GFLOP/s, {tokens * decodeOperations / fma:P0} of the best multiply-adds");
        tokens = Measurement.PrintMedian($"random weights: prefill of {PrefillTokens}", "tokens/s", prefill);
        Console.WriteLine($"    {tokens * prefillOperations:N0} GFLOP/s, {tokens * prefillOperations / fma:P0} of the best multiply-adds");

        await BatchingBenchmark.RunAsync("random weights", engine, EngineRuns.Skewed(12, engine.VocabularySize), warmUps: 0, repeats: 1);
    }

    /// <summary>Output tokens per second once the prompts are computed.</summary>
    private static async Task<double> DecodeAsync(LlmEngine engine, int requests, int outputs)
    {
        var random = new Random(requests);
        Work[] work = [.. Enumerable.Range(0, requests).Select(_ => new Work(EngineRuns.RandomPrompt(random, 16, engine.VocabularySize), outputs))];
        var metrics = await EngineRuns.RunAsync(engine, work, requests);
        return metrics.Sum(m => (m.OutputTokens - 1) / (m.TotalTime - m.TimeToFirstToken!.Value).TotalSeconds);
    }

    /// <summary>Prompt tokens per second of a prompt that one step computes, the choice of its first token included.</summary>
    private static async Task<double> PrefillAsync(LlmEngine engine)
    {
        var metrics = await EngineRuns.CompleteAsync(engine, new Work(EngineRuns.RandomPrompt(new Random(3), PrefillTokens, engine.VocabularySize), 1));
        return PrefillTokens / (metrics.TimeToFirstToken!.Value - metrics.QueueTime!.Value).TotalSeconds;
    }
}
