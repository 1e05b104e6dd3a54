using System.Text.Json;
using Beam.Cli.Engine.Bench;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels.Assembly;
using Beam.ML.Vllm.Weights.Gguf;

namespace Beam.Benchmarks.Engine;

/// <summary>
/// The same weights in llama.cpp and here, on as many threads: one stream, 16 streams, a prompt of 512 tokens. The two take turns, so that a
/// busy machine slows both, and what counts is the ratio of neighbours.
/// </summary>
internal sealed class LlamaCppBenchmark : IBenchmark
{
    private const int Streams = 16;
    private const int PromptTokens = 512;
    private const int OutputTokens = 24;

    /// <summary>A setting of llama.cpp, and those here that are compared with it.</summary>
    private sealed record Peer(string Name, GgufType Type, (string Name, EngineOptions Options)[] Ours);

    public string Verb => "llama-cpp";

    public string Group => "peers";

    public string Description => "Tokens/s beside llama.cpp's, of the same random weights in the shape of Qwen2.5-0.5B, in bfloat16 and in 8 bits.";

    /// <summary>Where llama.cpp and Hugging Face's tokenizers are installed.</summary>
    public static string Folder { get; } = Path.Combine(EngineBenchmark.Repository, "bench", "peers");

    public Task RunAsync(BenchmarkSettings settings) => RunAsync(settings, new BenchReport { Added = line => Console.WriteLine(BenchReport.Text(line)) });

    public static async Task RunAsync(BenchmarkSettings settings, BenchReport report)
    {
        if (PeerProcess.Missing(Folder, PeerProcess.Llama) is { } missing)
        {
            Console.WriteLine($"llama-cpp: {missing}");
            return;
        }

        var folder = Directory.CreateTempSubdirectory("beam-llama-cpp-");
        try
        {
            var shape = CheckpointShape.Find("qwen2.5-0.5b");
            RandomCheckpoint.Write(shape, folder.FullName);
            RandomCheckpoint.WriteTokenizer(shape.Vocabulary, folder.FullName);
            var threads = settings.Threads == 0 ? Environment.ProcessorCount : settings.Threads;
            report.Header.Add($"llama.cpp (node-llama-cpp) and this engine: random weights in the shape of {shape.Name}, {threads} threads each, {Streams} streams in one context");
            foreach (var peer in Peers(folder.FullName, threads)) await CompareAsync(peer, folder.FullName, threads, settings, report);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static IEnumerable<Peer> Peers(string folder, int threads)
    {
        var plain = new EngineOptions { Model = folder, NumThreads = threads, SkipTokenizerInit = true, EnablePrefixCaching = false, MaxModelLength = 640 };
        yield return new Peer("bf16", GgufType.BF16, [.. Kernels(threads).Select(k => (k.Name, plain with { MatrixKernels = k.Kernels }))]);
        var int8 = plain with { Quantization = "int8" };
        List<(string, EngineOptions)> ours = [("int8 on FMA kernels", int8 with { MatrixKernels = MatrixKernels.Fma })];
        if (AssembledTiles.HasInt8Dot) ours.Add(("int8 on VNNI kernels", int8 with { MatrixKernels = MatrixKernels.Int8Dot }));
        yield return new Peer("q8_0", GgufType.Q8_0, [.. ours]);
    }

    /// <summary>The kernels for bfloat16 that are worth measuring here: some processors have dot products that are slower than multiply-adds.</summary>
    public static IReadOnlyList<(string Name, string Key, MatrixKernels Kernels)> Kernels(int threads)
    {
        List<(string, string, MatrixKernels)> kernels = [("FMA kernels", "fma", MatrixKernels.Fma)];
        if (MachinePeaks.BFloat16Dot(threads) is not { } dot) return kernels;
        var multiply = MachinePeaks.FusedMultiplyAdd(threads);
        if (dot.Cpu > multiply.Cpu) kernels.Add(("bf16-dot kernels", "dot", MatrixKernels.BFloat16Dot));
        else Console.WriteLine($"bf16-dot kernels are left out: {dot.Cpu:N0} GFLOP per CPU second of dot products, {multiply.Cpu:N0} of multiply-adds");
        return kernels;
    }

    private static async Task CompareAsync(Peer peer, string folder, int threads, BenchmarkSettings settings, BenchReport report)
    {
        var path = Path.Combine(folder, $"{peer.Name}.gguf");
        GgufExporter.Export(folder, path, peer.Type);
        await using var llama = PeerProcess.Start(Folder, "llama.mjs");
        await llama.AskAsync(new { operation = "load", path, threads, streams = Streams, contextSize = 640 });
        var engines = new List<(string Name, LlmEngine Engine)>();
        try
        {
            foreach (var (name, options) in peer.Ours) engines.Add((name, await LlmEngine.LoadAsync(options)));
            foreach (var (key, what, theirs, ours) in Measurements(llama)) await MeasureAsync(peer, key, what, theirs, ours, engines, settings, report);
        }
        finally
        {
            foreach (var (_, engine) in engines) await engine.DisposeAsync();
            File.Delete(path);
        }
    }

    private static IEnumerable<(string Key, string What, Func<int, Task<Rate>> Theirs, Func<LlmEngine, Task<Rate>> Ours)> Measurements(PeerProcess llama)
    {
        yield return ("decode.1", "one stream", vocabulary => DecodeAsync(llama, 1, vocabulary), engine => EngineRuns.DecodeAsync(engine, 1, OutputTokens));
        yield return ($"decode.{Streams}", $"{Streams} streams", vocabulary => DecodeAsync(llama, Streams, vocabulary), engine => EngineRuns.DecodeAsync(engine, Streams, OutputTokens));
        yield return ("prefill", $"prefill of {PromptTokens}", vocabulary => PrefillAsync(llama, vocabulary), engine => EngineRuns.PrefillAsync(engine, PromptTokens));
    }

    private static async Task MeasureAsync(
        Peer peer, string key, string what, Func<int, Task<Rate>> theirs, Func<LlmEngine, Task<Rate>> ours, List<(string Name, LlmEngine Engine)> engines,
        BenchmarkSettings settings, BenchReport report)
    {
        var llama = new List<Rate>();
        var here = engines.ToDictionary(e => e.Name, _ => new List<Rate>());
        for (var i = 0; i < settings.WarmUps + settings.Repeats; i++)
        {
            var peerRate = await theirs(engines[0].Engine.VocabularySize);
            if (i >= settings.WarmUps) llama.Add(peerRate);
            foreach (var (name, engine) in engines)
            {
                var rate = await ours(engine);
                if (i >= settings.WarmUps) here[name].Add(rate);
            }
        }

        report.Add($"llama.{peer.Name}.{key}", $"llama.cpp {peer.Name}: {what}", "tokens", llama);
        foreach (var (name, rates) in here)
        {
            report.Add($"ours.{peer.Name}.{name}.{key}", $"here {peer.Name}, {name}: {what}", "tokens", rates);
            report.Add($"ratio.{peer.Name}.{name}.{key}", $"here ÷ llama.cpp, {peer.Name}, {name}: {what}", "", [.. rates.Zip(llama, (a, b) => a / b)]);
        }
    }

    private static async Task<Rate> DecodeAsync(PeerProcess llama, int streams, int vocabulary)
    {
        var prompts = Workload.Even(streams, 16, OutputTokens, vocabulary, seed: streams).Select(w => w.Prompt).ToArray();
        var answer = await llama.AskAsync(new { operation = "decode", prompts, count = OutputTokens });
        return Rate.Of(answer.GetProperty("tokens").GetInt32(), CostOf(answer));
    }

    private static async Task<Rate> PrefillAsync(PeerProcess llama, int vocabulary)
    {
        var prompt = Workload.Even(1, PromptTokens, 1, vocabulary)[0].Prompt;
        return Rate.Of(PromptTokens, CostOf(await llama.AskAsync(new { operation = "prefill", prompt })));
    }

    private static Cost CostOf(JsonElement answer) => new(answer.GetProperty("wall").GetDouble(), answer.GetProperty("cpu").GetDouble());
}
