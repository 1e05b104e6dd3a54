using System.Runtime.CompilerServices;
using System.Text.Json;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Tests.Tokenizers;

/// <summary>What the reference libraries make of small inputs, from the golden folder beside the tests.</summary>
internal static class Golden
{
    public static string Folder { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), "..", "golden"));

    public static string TinyGemma { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), "..", "..", "..", "models", "tiny-gemma", "checkpoint"));

    public static string[] TokenizerNames { get; } = [.. Directory.GetDirectories(Path.Combine(Folder, "tokenizers")).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal)];

    public static string TokenizerFolder(string name) => Path.Combine(Folder, "tokenizers", name);

    public static Tokenizer Load(string name) => Tokenizer.Load(TokenizerFolder(name));

    public static IEnumerable<TokenizerCase> Cases(string name) =>
        JsonSerializer.Deserialize<TokenizerCase[]>(File.ReadAllText(Path.Combine(TokenizerFolder(name), "expected.json")), Options)!;

    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private static string ThisFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}

/// <summary>A text, its ids and what they decode to. SentencePiece models know no special tokens around a text.</summary>
internal sealed record TokenizerCase(string Text, int[] Ids, string Decoded, int[]? IdsWithoutSpecial, string? DecodedWithSpecial);
