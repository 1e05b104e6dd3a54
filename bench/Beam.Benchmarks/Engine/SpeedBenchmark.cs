using Beam.Cli.Engine.Bench;
using Beam.ML.Vllm.Engine;

namespace Beam.Benchmarks.Engine;

/// <summary>Everything that the table of targets asks for, in one run, as a Markdown table. Some 20 minutes on a quiet machine of two cores.</summary>
/// <param name="tinyGemma">The small trained model.</param>
internal sealed class SpeedBenchmark(string tinyGemma) : IBenchmark
{
    private const int SkewedPrompts = 128;

    public string Verb => "speed";

    public string Group => "speed";

    public string Description => "The table of targets: peaks, decode, prefill, skewed work, llama.cpp, tokenizer, first token; as Markdown.";

    public async Task RunAsync(BenchmarkSettings settings)
    {
        var report = new BenchReport { Added = line => Console.WriteLine(BenchReport.Text(line)) };
        var threads = settings.Threads == 0 ? Environment.ProcessorCount : settings.Threads;
        var kernels = LlamaCppBenchmark.Kernels(threads);
        await TokenizerBenchmark.RunAsync(settings, report);
        await MeasureAsync("random:qwen2.5-0.5b", "0.5B", kernels, BenchParts.Speed | BenchParts.Skewed, [1, 8, 16, 32], settings, threads, report);
        await MeasureAsync("random:gemma-2b", "2.5B", [.. kernels.Take(1)], BenchParts.Speed, [1, 32], settings with { Repeats = Math.Min(2, settings.Repeats) }, threads, report);
        await LlamaCppBenchmark.RunAsync(settings, report);
        await MeasureAsync(tinyGemma, "tiny-gemma", [.. kernels.Take(1)], BenchParts.Start, [1], settings with { Repeats = 5 }, threads, report);
        Console.WriteLine();
        foreach (var line in report.Header) Console.WriteLine($"- {line}");
        Console.WriteLine();
        Console.WriteLine("| what | at least | by the clock | per CPU second |\n| --- | --- | --- | --- |");
        foreach (var (what, target, key) in Targets(kernels.Count > 1))
        {
            var line = report.Lines.FirstOrDefault(l => l.Key == key);
            Console.WriteLine($"| {what} | {target} | {(line is null ? "not measured" : $"{line.Wall} {line.Unit}".TrimEnd())} | {line?.Cpu} |");
        }

        Console.WriteLine();
        Console.Write(report.Markdown());
    }

    private static async Task MeasureAsync(
        string model, string name, IReadOnlyList<(string Name, string Key, MatrixKernels Kernels)> kernels, BenchParts parts, int[] streams,
        BenchmarkSettings settings, int threads, BenchReport report)
    {
        using var opened = BenchModel.Open(model);
        report.Header.Add(BenchCommand.Describe(opened, threads));
        foreach (var (kernel, key, path) in kernels)
        {
            var options = new EngineOptions { Model = opened.Folder, NumThreads = threads, MatrixKernels = path };
            var bench = new EngineBench(options, opened, new BenchSettings { Repeats = settings.Repeats, Parts = parts, Streams = streams, Prompts = SkewedPrompts, SkewedRepeats = 1 }, report)
            {
                Prefix = $"{name}, {kernel}: ",
                KeyPrefix = $"{name}.{key}.",
            };
            await bench.RunAsync(CancellationToken.None);
        }
    }

    /// <summary>Rows for bf16-dot kernels are there where the processor has dot products worth using.</summary>
    private static IEnumerable<(string What, string Target, string Key)> Targets(bool hasDot)
    {
        yield return ("decode, 1 at a time, 5 GB of weights: bytes/s ÷ read bandwidth", "0.80", "2.5B.fma.decode.1.ratio");
        yield return ("decode, 1 at a time, 1 GB of weights: bytes/s ÷ read bandwidth", "0.80", "0.5B.fma.decode.1.ratio");
        yield return ("decode, 32 at a time, bf16: FLOP/s ÷ multiply-add peak", "0.60", "0.5B.fma.decode.32.ratio");
        yield return ("the same, 5 GB of weights", "0.60", "2.5B.fma.decode.32.ratio");
        yield return ("prefill of 512: FLOP/s ÷ multiply-add peak", "0.65", "0.5B.fma.prefill.ratio");
        yield return ("the same, 5 GB of weights", "0.65", "2.5B.fma.prefill.ratio");
        foreach (var (kernels, key, one, sixteen, prefill) in (IEnumerable<(string, string, string, string, string)>)[("FMA kernels", "FMA kernels", "1.1", "3.5", "1.2"), ("bf16-dot kernels", "bf16-dot kernels", "1.1", "6", "2")])
        {
            if (key != "FMA kernels" && !hasDot) continue;
            yield return ($"÷ llama.cpp, bf16, {kernels}: one stream", one, $"ratio.bf16.{key}.decode.1");
            yield return ($"÷ llama.cpp, bf16, {kernels}: 16 streams", sixteen, $"ratio.bf16.{key}.decode.16");
            yield return ($"÷ llama.cpp, bf16, {kernels}: prefill of 512", prefill, $"ratio.bf16.{key}.prefill");
        }

        yield return ("÷ llama.cpp q8_0, int8: one stream", "1.1", "ratio.q8_0.int8 on FMA kernels.decode.1");
        yield return ("÷ llama.cpp q8_0, int8: 16 streams", "2.5", "ratio.q8_0.int8 on FMA kernels.decode.16");
        yield return ("÷ llama.cpp q8_0, int8 on VNNI kernels: one stream", "1.1", "ratio.q8_0.int8 on VNNI kernels.decode.1");
        yield return ("÷ llama.cpp q8_0, int8 on VNNI kernels: 16 streams", "5", "ratio.q8_0.int8 on VNNI kernels.decode.16");
        foreach (var (kernels, key, serial) in (IEnumerable<(string, string, string)>)[("FMA kernels", "fma", "4"), ("bf16-dot kernels", "dot", "7")])
        {
            if (key == "dot" && !hasDot) continue;
            yield return ($"skewed work, {kernels}: serial ÷ continuous (CPU seconds)", serial, $"0.5B.{key}.skewed.serial.ratio");
            yield return ($"skewed work, {kernels}: static batches of 8 ÷ continuous", "3", $"0.5B.{key}.skewed.static.8.ratio");
            yield return ($"skewed work, {kernels}: static batches of 32 ÷ continuous", "3", $"0.5B.{key}.skewed.static.32.ratio");
        }

        yield return ("tiny-gemma: from new LlmEngine to the first token, fresh process", "under 0.3 s", "tiny-gemma.fma.start");
        yield return ("Gemma 3's tokenizer.json ÷ Hugging Face's library: load, first in its process", "2", "tokenizer.load.first.ratio");
        yield return ("the same, once more", "2", "tokenizer.load.ratio");
        yield return ("encode English prose", "2", "tokenizer.prose.ratio");
        yield return ("encode scripts of the world", "2", "tokenizer.mixed.ratio");
        yield return ("encode C#", "2", "tokenizer.code.ratio");
        yield return ("encode short prompts", "2", "tokenizer.short.ratio");
    }
}
