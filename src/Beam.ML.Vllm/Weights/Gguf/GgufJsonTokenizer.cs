using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>A tokenizer.json: byte-level BPE, BPE in the manner of SentencePiece, or unigram.</summary>
internal static class GgufJsonTokenizer
{
    private const long MaxBytes = 1L << 30;

    // How llama.cpp tells apart the ways in which models cut text, by a part of the pattern that only they have.
    private static readonly (string Part, string Pre)[] Cuts =
    [
        (@"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", "gpt-4o"),
        (@"|\p{N}{1,3}|", "llama-bpe"),
        (@"|\p{N}|", "qwen2"),
    ];

    /// <summary>Null for a kind of tokenizer that llama.cpp has no decoder-only models with.</summary>
    public static GgufVocabulary? Read(string path, List<string> warnings)
    {
        if (new FileInfo(path).Length > MaxBytes) throw new TokenizerException($"'{path}' is larger than {MaxBytes >> 20} MiB.");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = document.RootElement;
            var vocabulary = Read(root, root.GetProperty("model"), warnings);
            if (vocabulary is not null) AddAdded(root, vocabulary);
            return vocabulary;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new TokenizerException($"'{path}' cannot be exported: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    private static GgufVocabulary? Read(JsonElement root, JsonElement model, List<string> warnings)
    {
        var isUnigram = model.TryGetProperty("type", out var type) ? type.GetString() == "Unigram" : model.GetProperty("vocab").ValueKind == JsonValueKind.Array;
        if (isUnigram) return Unigram(root, model);
        if (!model.TryGetProperty("merges", out var merges)) return null;
        return model.TryGetProperty("byte_fallback", out var fallback) && fallback.ValueKind == JsonValueKind.True
            ? ByScores(root, model, merges)
            : ByMerges(root, model, merges, warnings);
    }

    /// <summary>llama.cpp merges the pair whose result has the highest score: the earlier a merge, the higher.</summary>
    private static GgufVocabulary ByScores(JsonElement root, JsonElement model, JsonElement merges)
    {
        var vocabulary = new GgufVocabulary("llama") { Pre = "default", AddSpacePrefix = Has(root, "normalizer", "Prepend") || HasMetaspacePrefix(root) };
        var ranks = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (left, right) in Merges(merges)) ranks.TryAdd(left + right, ranks.Count);
        var unknown = model.TryGetProperty("unk_token", out var name) ? name.GetString() : null;
        foreach (var entry in model.GetProperty("vocab").EnumerateObject())
        {
            var kind = entry.Name == unknown ? GgufTokenKind.Unknown : IsByte(entry.Name) ? GgufTokenKind.Byte : GgufTokenKind.Normal;
            vocabulary.Set(Id(entry.Value), Encoding.UTF8.GetBytes(entry.Name), kind, -(ranks.TryGetValue(entry.Name, out var rank) ? rank : ranks.Count));
        }

        return vocabulary;
    }

    private static GgufVocabulary ByMerges(JsonElement root, JsonElement model, JsonElement merges, List<string> warnings)
    {
        var vocabulary = new GgufVocabulary("gpt2") { Pre = Cut(root, warnings) };
        foreach (var entry in model.GetProperty("vocab").EnumerateObject()) vocabulary.Set(Id(entry.Value), Encoding.UTF8.GetBytes(entry.Name), GgufTokenKind.Normal);
        foreach (var (left, right) in Merges(merges)) vocabulary.Merges.Add(Encoding.UTF8.GetBytes($"{left} {right}"));
        return vocabulary;
    }

    private static GgufVocabulary Unigram(JsonElement root, JsonElement model)
    {
        var vocabulary = new GgufVocabulary("t5") { Pre = "default", AddSpacePrefix = HasMetaspacePrefix(root), RemoveExtraWhitespaces = true };
        var unknown = model.TryGetProperty("unk_id", out var unk) && unk.ValueKind == JsonValueKind.Number ? unk.GetInt32() : -1;
        var id = 0;
        foreach (var entry in model.GetProperty("vocab").EnumerateArray())
        {
            var piece = entry[0].GetString()!;
            var kind = id == unknown ? GgufTokenKind.Unknown : IsByte(piece) ? GgufTokenKind.Byte : GgufTokenKind.Normal;
            vocabulary.Set(id++, Encoding.UTF8.GetBytes(piece), kind, entry[1].GetSingle());
        }

        if (FindText(root, "normalizer", "precompiled_charsmap") is { } map) vocabulary.PrecompiledCharsMap = Convert.FromBase64String(map);
        return vocabulary;
    }

    private static void AddAdded(JsonElement root, GgufVocabulary vocabulary)
    {
        if (!root.TryGetProperty("added_tokens", out var list) || list.ValueKind != JsonValueKind.Array) return;
        foreach (var token in list.EnumerateArray())
        {
            var id = Id(token.GetProperty("id"));
            var special = token.TryGetProperty("special", out var flag) && flag.ValueKind == JsonValueKind.True;
            var kind = vocabulary.Kinds.ElementAtOrDefault(id) == GgufTokenKind.Unknown ? GgufTokenKind.Unknown : special ? GgufTokenKind.Control : GgufTokenKind.UserDefined;
            vocabulary.Mark(id, Encoding.UTF8.GetBytes(token.GetProperty("content").GetString()!), kind);
        }
    }

    private static IEnumerable<(string Left, string Right)> Merges(JsonElement merges)
    {
        foreach (var merge in merges.EnumerateArray())
        {
            if (merge.ValueKind == JsonValueKind.Array)
            {
                yield return (merge[0].GetString()!, merge[1].GetString()!);
                continue;
            }

            var pair = merge.GetString()!;
            var space = pair.IndexOf(' ', StringComparison.Ordinal);
            if (space < 1) throw new FormatException($"the merge '{pair}' is not of two tokens");
            yield return (pair[..space], pair[(space + 1)..]);
        }
    }

    private static string Cut(JsonElement root, List<string> warnings)
    {
        var pattern = FindText(root, "pre_tokenizer", "Regex");
        if (pattern is null) return "gpt-2";
        foreach (var (part, pre) in Cuts)
            if (pattern.Contains(part, StringComparison.Ordinal)) return pre;
        warnings.Add("llama.cpp may cut text in other places than this tokenizer: its pattern is none of those that the exporter knows.");
        return "default";
    }

    private static int Id(JsonElement value)
    {
        var id = value.GetInt32();
        return id is >= 0 and < 1 << 24 ? id : throw new FormatException($"a token has the id {id}");
    }

    private static bool IsByte(string token) => token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>';

    private static bool HasMetaspacePrefix(JsonElement root) =>
        FindText(root, "pre_tokenizer", "prepend_scheme") is "always" or "first" || FindText(root, "normalizer", "prepend_scheme") is "always" or "first";

    private static bool Has(JsonElement root, string part, string type) =>
        root.TryGetProperty(part, out var value) && Objects(value).Any(o => o.TryGetProperty("type", out var t) && t.ToString() == type);

    /// <summary>A text anywhere in a part of the file: parts may be sequences of others.</summary>
    private static string? FindText(JsonElement root, string part, string key) => !root.TryGetProperty(part, out var value)
        ? null
        : Objects(value).Select(o => o.TryGetProperty(key, out var text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null).FirstOrDefault(t => t is not null);

    private static IEnumerable<JsonElement> Objects(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().SelectMany(p => Objects(p.Value)).Prepend(value),
        JsonValueKind.Array => value.EnumerateArray().SelectMany(Objects),
        _ => [],
    };
}
