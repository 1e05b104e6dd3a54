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
        var gigabytes = 2e-9 * RandomCheckpoint.Parameters;
        Console.WriteLine(
            $"random weights: a Gemma of {RandomCheckpoint.Parameters / 1e9:N2} B parameters in bfloat16 ({gigabytes:N2} GB), {RandomCheckpoint.Layers} layers, " +
            $"hidden {RandomCheckpoint.Hidden}, MLP {RandomCheckpoint.Intermediate}, {RandomCheckpoint.Heads}/{RandomCheckpoint.KeyValueHeads} heads, vocabulary {RandomCheckpoint.Vocabulary}; {threads} threads");
        await using var engine = Load(settings);

        // Peaks and runs take turns, so that a busy machine shows in both.
        List<Rate> reading = [], arithmetic = [], single = [], batch = [], prefill = [];
        await CostAsync(engine, 1, 16, outputs: 4);
        for (var i = 0; i < settings.Repeats; i++)
        {
            reading.Add(MachinePeaks.ReadBandwidth(threads));
            single.Add(await DecodeAsync(engine, 1, outputs: 33));
            arithmetic.Add(MachinePeaks.FusedMultiplyAdd(threads));
            batch.Add(await DecodeAsync(engine, Batch, outputs: 17));
            prefill.Add(Rate.Of(PrefillTokens, await CostAsync(engine, 1, PrefillTokens, outputs: 1)));
        }

        var decodeOperations = 2e-9 * RandomCheckpoint.Parameters;
        var prefillOperations = 2e-9 * (RandomCheckpoint.LayerParameters + ((double)RandomCheckpoint.HeadParameters / PrefillTokens));
        var read = Print("the machine: reading memory", "GB", reading);
        var multiply = Print("the machine: fused multiply-adds on floats", "GFLOP", arithmetic);
        var one = Print("random weights: decode, 1 at a time", "tokens", single);
        Compare(one, gigabytes, "GB", "reading", read);
        Compare(Print($"random weights: decode, {Batch} at a time", "tokens", batch), decodeOperations, "GFLOP", "multiply-adds", multiply);
        Compare(Print($"random weights: prefill of {PrefillTokens}", "tokens", prefill), prefillOperations, "GFLOP", "multiply-adds", multiply);

        await BatchingBenchmark.RunAsync("random weights", engine, EngineRuns.Skewed(12, engine.VocabularySize), warmUps: 0, repeats: 1);
    }

    /// <summary>The engine keeps the weights in memory: the files are gone before anything is measured.</summary>
    private static LlmEngine Load(BenchmarkSettings settings)
    {
        using var checkpoint = new RandomCheckpoint();
        return new LlmEngine(EngineRuns.Options(settings, checkpoint.Folder));
    }

    private static Rate Print(string what, string unit, List<Rate> rates) => new(
        Measurement.PrintMedian(what, $"{unit}/s", [.. rates.Select(r => r.Wall)]),
        Measurement.PrintMedian(what, $"{unit}/CPU s", [.. rates.Select(r => r.Cpu)]));

    private static void Compare(Rate tokens, double perToken, string unit, string peak, Rate best) => Console.WriteLine(
        $"    {tokens.Wall * perToken:N1} {unit}/s, {tokens.Wall * perToken / best.Wall:P0} of the machine's {peak}; " +
        $"{tokens.Cpu * perToken:N1} {unit} per CPU second, {tokens.Cpu * perToken / best.Cpu:P0}");

    /// <summary>Output tokens per second, the prompts and first tokens taken out: the difference of a run with answers and one without.</summary>
    private static async Task<Rate> DecodeAsync(LlmEngine engine, int requests, int outputs)
    {
        var prompts = await CostAsync(engine, requests, 16, outputs: 1);
        var whole = await CostAsync(engine, requests, 16, outputs);
        return Rate.Of(requests * (outputs - 1), whole - prompts);
    }

    private static Task<Cost> CostAsync(LlmEngine engine, int requests, int inputs, int outputs)
    {
        var random = new Random(requests);
        Work[] work = [.. Enumerable.Range(0, requests).Select(_ => new Work(EngineRuns.RandomPrompt(random, inputs, engine.VocabularySize), outputs))];
        return EngineRuns.MeasureAsync(() => EngineRuns.RunAsync(engine, work, requests));
    }
}
