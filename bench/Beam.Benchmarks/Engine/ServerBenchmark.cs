using System.Diagnostics;
using System.Net.Http.Json;
using Beam.Cli.Engine.Bench;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server;

namespace Beam.Benchmarks.Engine;

/// <summary>
/// Streams of tokens from the engine itself and through the HTTP server, in turns, and what is left of the rate. Server and client are in the
/// process that is measured, so that the processor time is that of both.
/// </summary>
internal sealed class ServerBenchmark(string verb, string model, int tokens) : IBenchmark
{
    private const int Streams = 32;
    private const int PromptTokens = 16;

    public string Verb => verb;

    public string Group => verb;

    public string Description => $"{Path.GetFileName(model)}: {Streams} streams of {tokens} tokens through the OpenAI-compatible server ÷ from the engine alone.";

    public async Task RunAsync(BenchmarkSettings settings)
    {
        using var opened = BenchModel.Open(model);
        var hasTokenizer = File.Exists(Path.Combine(opened.Folder, "tokenizer.json")) || File.Exists(Path.Combine(opened.Folder, "tokenizer.model"));
        await using var engine = await LlmEngine.LoadAsync(new EngineOptions
        {
            Model = opened.Folder,
            NumThreads = settings.Threads == 0 ? null : settings.Threads,
            SkipTokenizerInit = !hasTokenizer,
            EnablePrefixCaching = false,
        });
        await using var server = await OpenAIServer.StartAsync(engine, new ServerOptions { Port = 0 });
        using var client = new HttpClient { BaseAddress = server.Address, Timeout = TimeSpan.FromMinutes(10) };
        var (alone, served) = (new Runs(), new Runs());
        for (var i = 0; i < settings.WarmUps + settings.Repeats; i++)
        {
            await MeasureAsync(alone, i >= settings.WarmUps, index => FromEngineAsync(engine, index));
            await MeasureAsync(served, i >= settings.WarmUps, index => FromServerAsync(client, index));
        }

        var rate = Measurement.PrintMedian($"{opened.Name}: engine alone, {Streams} streams", "tokens/s", alone.Rates);
        var throughServer = Measurement.PrintMedian($"{opened.Name}: through the server, {Streams} streams", "tokens/s", served.Rates);
        var cpu = Measurement.PrintMedian("engine alone, processor time of 1,000 tokens", "ms", alone.Cpu);
        var serverCpu = Measurement.PrintMedian("server and client, processor time of 1,000 tokens", "ms", served.Cpu);
        Console.WriteLine($"{"rate through the server ÷ engine alone",-64} {throughServer / rate,14:N2}");
        Console.WriteLine($"{"processor time of the engine alone ÷ with server and client",-64} {cpu / serverCpu,14:N2}");
    }

    private async Task MeasureAsync(Runs runs, bool counts, Func<int, Task> stream)
    {
        using var process = Process.GetCurrentProcess();
        process.Refresh();
        var (before, watch) = (process.TotalProcessorTime, Stopwatch.StartNew());
        await Task.WhenAll(Enumerable.Range(0, Streams).Select(index => Task.Run(() => stream(index))));
        process.Refresh();
        if (!counts) return;
        runs.Rates.Add(Streams * tokens / watch.Elapsed.TotalSeconds);
        runs.Cpu.Add((process.TotalProcessorTime - before).TotalMilliseconds / (Streams * tokens) * 1000);
    }

    private async Task FromEngineAsync(LlmEngine engine, int index)
    {
        var parameters = new SamplingParams { MaxTokens = tokens, IgnoreEos = true, Temperature = 0, OutputKind = OutputKind.Delta };
        var count = 0;
        await foreach (var output in engine.GenerateAsync(Prompt(index), parameters)) count += output.TokenIds.Count;
        Check(count);
    }

    private async Task FromServerAsync(HttpClient client, int index)
    {
        var body = new { prompt = Prompt(index), max_tokens = tokens, ignore_eos = true, temperature = 0, stream = true, stream_options = new { include_usage = true } };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = JsonContent.Create(body) };
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        var last = "";
        while (await lines.ReadLineAsync() is { } line)
            if (line.Contains("completion_tokens", StringComparison.Ordinal)) last = line;
        if (!last.Contains($"\"completion_tokens\":{tokens}", StringComparison.Ordinal)) throw new InvalidOperationException($"A stream ended with {last}.");
    }

    private void Check(int count)
    {
        if (count != tokens) throw new InvalidOperationException($"A stream ended with {count} of {tokens} tokens.");
    }

    private static int[] Prompt(int index) => [.. Enumerable.Range(0, PromptTokens).Select(i => 100 + (((index * 31) + (i * 7)) % 400))];

    private sealed record Runs
    {
        public List<double> Rates { get; } = [];

        public List<double> Cpu { get; } = [];
    }
}
