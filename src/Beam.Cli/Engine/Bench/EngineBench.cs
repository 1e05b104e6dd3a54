using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Quantization;

namespace Beam.Cli.Engine.Bench;

/// <summary>Measures an engine and the machine under it, and adds what comes out to a report.</summary>
internal sealed class EngineBench(EngineOptions options, BenchModel model, BenchSettings settings, BenchReport report)
{
    private readonly QuantizationScheme _quantization = QuantizationMethods.Choose(ModelConfig.Load(model.Folder, ModelRegistry.Expect), options.Quantization);
    private readonly int _threads = options.Threads;

    /// <summary>Set where a report has several models, or one in several ways.</summary>
    public string Prefix { get; init; } = "";

    public string KeyPrefix { get; init; } = "";

    /// <summary>What an engine is to have for measurements: prompts that come again are computed again, and there is no text.</summary>
    public static EngineOptions OptionsFor(BenchModel model, EngineOptions options) =>
        options with { Model = model.Folder, EnablePrefixCaching = false, SkipTokenizerInit = true };

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (settings.Parts.HasFlag(BenchParts.Start)) await StartAsync(cancellationToken);
        if ((settings.Parts & (BenchParts.Speed | BenchParts.Skewed)) == 0) return;
        await using var engine = new LlmEngine(OptionsFor(model, options));
        if (settings.Parts.HasFlag(BenchParts.Speed)) await SpeedAsync(engine, cancellationToken);
        if (settings.Parts.HasFlag(BenchParts.Skewed)) await SkewedAsync(engine, cancellationToken);
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        var times = new List<Cost>();
        for (var i = 0; i < settings.Repeats; i++) times.Add(await FirstToken.InFreshProcessAsync(model.Folder, _threads, cancellationToken));
        Line("start", "from new LlmEngine to the first token, fresh process", "s", times);
    }

    /// <summary>Peaks stand on both sides of what is compared with them, and the better one counts.</summary>
    private async Task SpeedAsync(LlmEngine engine, CancellationToken cancellationToken)
    {
        var prefill = Math.Min(settings.PrefillTokens, engine.MaxModelLength - 1);
        var bytesPerToken = BytesPerToken(engine);
        List<Rate> reading = [], arithmetic = [], prefills = [], prefillRatios = [], readRatios = [], batchRatios = [], dots = [];
        var decodes = settings.Streams.ToDictionary(s => s, _ => new List<Rate>());
        await EngineRuns.RunAsync(engine, Workload.Even(settings.Streams.Max(), 16, 4, engine.VocabularySize), settings.Streams.Max(), cancellationToken);
        await EngineRuns.PrefillAsync(engine, prefill, cancellationToken);
        for (var i = 0; i < settings.Repeats; i++)
        {
            var read = MachinePeaks.ReadBandwidth(_threads);
            foreach (var streams in settings.Streams)
            {
                decodes[streams].Add(await EngineRuns.DecodeAsync(engine, streams, BenchSettings.OutputTokens(streams, model.Size), cancellationToken));
                if (streams != 1) continue;
                read = Rate.Best(read, MachinePeaks.ReadBandwidth(_threads));
                readRatios.Add(decodes[1][^1] * (bytesPerToken / 1e9) / read);
            }

            reading.Add(read);
            var multiply = MachinePeaks.FusedMultiplyAdd(_threads);
            prefills.Add(await EngineRuns.PrefillAsync(engine, prefill, cancellationToken));
            multiply = Rate.Best(multiply, MachinePeaks.FusedMultiplyAdd(_threads));
            arithmetic.Add(multiply);
            if (options.MatrixKernels == MatrixKernels.BFloat16Dot && MachinePeaks.BFloat16Dot(_threads) is { } dot) dots.Add(dot);
            prefillRatios.Add(prefills[^1] * PrefillOperations(prefill) / multiply);
            if (settings.Streams.Contains(32)) batchRatios.Add(decodes[32][^1] * DecodeOperations / multiply);
        }

        report.Add($"{KeyPrefix}machine.read", $"{Prefix}the machine reads", "GB", reading);
        report.Add($"{KeyPrefix}machine.fma", $"{Prefix}the machine multiplies and adds floats", "GFLOP", arithmetic);
        if (dots.Count > 0) report.Add($"{KeyPrefix}machine.dot", $"{Prefix}the machine multiplies and adds bfloat16 by dot products", "GFLOP", dots);
        foreach (var streams in settings.Streams)
            report.Add($"{KeyPrefix}decode.{streams}", $"{Prefix}decode, {streams} at a time", "tokens", decodes[streams]);
        report.Add($"{KeyPrefix}prefill", $"{Prefix}prefill of {prefill}", "tokens", prefills);
        if (readRatios.Count > 0) report.Add($"{KeyPrefix}decode.1.ratio", $"{Prefix}decode, 1 at a time: bytes of weights ÷ read bandwidth", "", readRatios);
        if (batchRatios.Count > 0) report.Add($"{KeyPrefix}decode.32.ratio", $"{Prefix}decode, 32 at a time: FLOP/s ÷ FMA peak", "", batchRatios);
        report.Add($"{KeyPrefix}prefill.ratio", $"{Prefix}prefill of {prefill}: FLOP/s ÷ FMA peak", "", prefillRatios);
    }

    private async Task SkewedAsync(LlmEngine engine, CancellationToken cancellationToken)
    {
        var work = Workload.Skewed(settings.Prompts, engine.VocabularySize, engine.MaxModelLength);
        report.Header.Add(
            $"{Prefix}skewed work: {work.Length} prompts of {work.Min(w => w.Prompt.Length)} to {work.Max(w => w.Prompt.Length)} tokens ({work.Sum(w => w.Prompt.Length)} in all), " +
            $"answers of {work.Min(w => w.OutputTokens)} to {work.Max(w => w.OutputTokens)} ({work.Sum(w => w.OutputTokens)})");
        (string Key, string What, Func<Task> Run)[] ways =
        [
            ("continuous", "continuous batching", () => EngineRuns.RunAsync(engine, work, work.Length, cancellationToken)),
            ("serial", "one at a time", () => EngineRuns.RunAsync(engine, work, 1, cancellationToken)),
            ("static.8", "static batches of 8", () => Rectangles(8)),
            ("static.32", "static batches of 32", () => Rectangles(32)),
        ];
        var costs = ways.ToDictionary(w => w.Key, _ => new List<Cost>());
        for (var i = 0; i < (settings.SkewedRepeats ?? Math.Max(1, settings.Repeats / 2)); i++)
            foreach (var way in ways) costs[way.Key].Add(await Cost.OfAsync(way.Run) / work.Length);
        foreach (var way in ways) Line($"skewed.{way.Key}", $"skewed work, {way.What}, per prompt", "s", costs[way.Key]);
        foreach (var way in ways.Skip(1))
        {
            var ratios = costs[way.Key].Zip(costs["continuous"], (a, b) => new Rate(a.Wall / b.Wall, a.Cpu / b.Cpu)).ToArray();
            report.Add($"{KeyPrefix}skewed.{way.Key}.ratio", $"{Prefix}skewed work, {way.What} ÷ continuous", "", ratios);
        }

        Task Rectangles(int size) =>
            EngineRuns.RunBatchesAsync(engine, Workload.Rectangles(work, size, engine.VocabularySize, engine.MaxModelLength), cancellationToken);
    }

    /// <summary>What the engine keeps, less what a token does not read.</summary>
    private double BytesPerToken(LlmEngine engine) =>
        engine.Stats.WeightBytes - ModelSize.UnreadBytes(model.Folder, _quantization, options.Dtype == ModelDtype.BFloat16);

    /// <summary>In billions for a token. Attention is left out.</summary>
    private double DecodeOperations => 2e-9 * model.Size.DecodeWeights;

    private double PrefillOperations(int tokens) => 2e-9 * (model.Size.LayerWeights + ((double)model.Size.HeadWeights / tokens));

    private void Line(string key, string what, string unit, List<Cost> costs) => report.Add(new BenchLine(
        KeyPrefix + key, Prefix + what, unit, new Samples(costs.Select(c => c.Wall)), new Samples(costs.Select(c => c.Cpu)), $"CPU {unit}"));
}
