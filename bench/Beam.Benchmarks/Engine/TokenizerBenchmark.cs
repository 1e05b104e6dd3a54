using System.Text;
using System.Text.Json;
using Beam.Cli.Engine.Bench;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.Benchmarks.Engine;

/// <summary>
/// Gemma 3's tokenizer.json (33 MB) here and in Hugging Face's own library: loading it, encoding texts and short prompts, on one thread. The
/// two take turns, and must make the same tokens.
/// </summary>
internal sealed class TokenizerBenchmark : IBenchmark
{
    private const int TextBytes = 1_000_000;
    private const int ShortPrompts = 10_000;

    public string Verb => "tokenizer";

    public string Group => "peers";

    public string Description => "Loading Gemma 3's tokenizer.json and encoding with it, beside Hugging Face's library.";

    public Task RunAsync(BenchmarkSettings settings) => RunAsync(settings, new BenchReport { Added = line => Console.WriteLine(BenchReport.Text(line)) });

    public static async Task RunAsync(BenchmarkSettings settings, BenchReport report)
    {
        var folder = LlamaCppBenchmark.Folder;
        if (PeerProcess.Missing(folder, PeerProcess.Tokenizers) is { } missing)
        {
            Console.WriteLine($"tokenizer: {missing}");
            return;
        }

        var model = Path.Combine(folder, "node_modules", "@lenml", "tokenizer-gemma3", "models");
        await using var peer = PeerProcess.Start(folder, "tokenizers.mjs");
        List<Cost> theirs = [], ours = [];
        Tokenizer? tokenizer = null;
        for (var i = 0; i < settings.WarmUps + settings.Repeats; i++)
        {
            var loaded = CostOf(await peer.AskAsync(new { operation = "load", path = Path.Combine(model, "tokenizer.json") }));
            tokenizer = null;
            GC.Collect();
            var own = await Cost.OfAsync(() =>
            {
                tokenizer = Tokenizer.Load(model);
                return Task.CompletedTask;
            });
            if (i == 0) Compare(report, "load.first", "load tokenizer.json, first in its process", 1, "loads", [loaded], [own]);
            if (i < settings.WarmUps) continue;
            theirs.Add(loaded);
            ours.Add(own);
        }

        Compare(report, "load", "load tokenizer.json", 1, "loads", theirs, ours);
        foreach (var (key, what, texts) in Texts()) await EncodeAsync(peer, tokenizer!, key, what, texts, settings, report);
    }

    private static async Task EncodeAsync(PeerProcess peer, Tokenizer tokenizer, string key, string what, string[] texts, BenchmarkSettings settings, BenchReport report)
    {
        var path = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(path, JsonSerializer.SerializeToUtf8Bytes(texts));
            List<Cost> theirs = [], ours = [];
            for (var i = 0; i < settings.WarmUps + settings.Repeats; i++)
            {
                var answer = await peer.AskAsync(new { operation = "encode", path });
                var sum = 0L;
                var own = await Cost.OfAsync(() =>
                {
                    foreach (var text in texts)
                        foreach (var id in tokenizer.Encode(text)) sum += id;
                    return Task.CompletedTask;
                });
                if (answer.GetProperty("sum").GetInt64() != sum) throw new InvalidOperationException($"{what}: the two libraries made different tokens.");
                if (i < settings.WarmUps) continue;
                theirs.Add(CostOf(answer));
                ours.Add(own);
            }

            if (texts.Length == 1) Compare(report, key, what, Encoding.UTF8.GetByteCount(texts[0]) / 1e6, "MB", theirs, ours);
            else Compare(report, key, what, texts.Length, "prompts", theirs, ours);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void Compare(BenchReport report, string key, string what, double work, string unit, List<Cost> theirs, List<Cost> ours)
    {
        report.Add($"tokenizer.{key}.peer", $"Hugging Face tokenizers: {what}", unit, [.. theirs.Select(c => Rate.Of(work, c))]);
        report.Add($"tokenizer.{key}", $"here: {what}", unit, [.. ours.Select(c => Rate.Of(work, c))]);
        report.Add($"tokenizer.{key}.ratio", $"here ÷ Hugging Face tokenizers: {what}", "", [.. theirs.Zip(ours, (a, b) => new Rate(a.Wall / b.Wall, a.Cpu / b.Cpu))]);
    }

    /// <summary>Prose and code are the repository's own; the scripts of the world are those of the tokenizers' golden strings.</summary>
    private static IEnumerable<(string Key, string What, string[] Texts)> Texts()
    {
        var prose = string.Join('\n', Directory.GetFiles(EngineBenchmark.Repository, "*.md", SearchOption.AllDirectories).Where(IsOwn).Order(StringComparer.Ordinal).Select(File.ReadAllText));
        var code = string.Join('\n', Directory.GetFiles(Path.Combine(EngineBenchmark.Repository, "src"), "*.cs", SearchOption.AllDirectories).Where(IsOwn).Order(StringComparer.Ordinal).Select(File.ReadAllText));
        yield return ("prose", "encode English prose", [Start(prose)]);
        yield return ("mixed", "encode scripts of the world", [Shuffled(Golden())]);
        yield return ("code", "encode C#", [Start(code)]);
        var lines = prose.Split('\n').Select(l => l.Trim()).Where(l => l.Length is > 20 and < 120).ToArray();
        yield return ("short", "encode short prompts", [.. Enumerable.Range(0, ShortPrompts).Select(i => lines[i % lines.Length])]);
    }

    private static string Golden()
    {
        var path = Path.Combine(EngineBenchmark.Repository, "tests", "Beam.ML.Vllm.Tests", "golden", "tokenizers", "byte_level_gpt2", "expected.json");
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return string.Join('\n', Strings(document.RootElement).Where(s => s.All(c => !char.IsControl(c))));
    }

    private static IEnumerable<string> Strings(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().SelectMany(p => Strings(p.Value)),
        JsonValueKind.Array => element.EnumerateArray().SelectMany(Strings),
        JsonValueKind.String => [element.GetString()!],
        _ => [],
    };

    private static bool IsOwn(string path) => !path.Contains($"{Path.DirectorySeparatorChar}node_modules{Path.DirectorySeparatorChar}") && !path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}");

    private static string Start(string text) => text.Length <= TextBytes ? text : text[..TextBytes];

    /// <summary>Words in an order of chance, seeded: a short text made longer without saying the same again.</summary>
    private static string Shuffled(string text)
    {
        var (words, random, all) = (text.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries), new Random(1), new StringBuilder());
        while (all.Length < TextBytes / 4) all.Append(words[random.Next(words.Length)]).Append(' ');
        return all.ToString();
    }

    private static Cost CostOf(JsonElement answer) => new(answer.GetProperty("wall").GetDouble(), answer.GetProperty("cpu").GetDouble());
}
