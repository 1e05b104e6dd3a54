using System.Text;
using System.Text.Json;

namespace Beam.ML.Vllm.Tokenizers.Json;

/// <summary>The parts of a tokenizer.json.</summary>
internal sealed class TokenizerJsonFile
{
    private const long MaxBytes = 1L << 30;

    public required TokenModel Model { get; init; }
    public required IReadOnlyList<AddedToken> AddedTokens { get; init; }
    public required JsonElement Normalizer { get; init; }
    public required JsonElement PreTokenizer { get; init; }
    public required JsonElement PostProcessor { get; init; }
    public required JsonElement Decoder { get; init; }

    public static TokenizerJsonFile Load(string path)
    {
        if (new FileInfo(path).Length > MaxBytes) throw new TokenizerException($"It is larger than {MaxBytes >> 20} MiB.");
        return Parse(File.ReadAllBytes(path));
    }

    public static TokenizerJsonFile Parse(ReadOnlySpan<byte> json)
    {
        if (json.StartsWith("\uFEFF"u8)) json = json[3..];
        if (!System.Text.Unicode.Utf8.IsValid(json)) throw new TokenizerException("It is not UTF-8.");
        var scanner = new JsonScanner(json);
        if (!scanner.TryTake((byte)'{')) throw new TokenizerException("It is not a JSON object.");
        TokenModel? model = null;
        var parts = new Dictionary<string, JsonElement>();
        var (first, scratch) = (true, new byte[256]);
        while (scanner.NextProperty(ref first, ref scratch, out var property))
        {
            var name = Encoding.UTF8.GetString(property);
            if (name == "model") model = ModelReader.Read(ref scanner, json.Length);
            else if (name is "added_tokens" or "normalizer" or "pre_tokenizer" or "post_processor" or "decoder")
            {
                var value = scanner.Value();
                parts[name] = JsonElement.ParseValue(ref value);
            }
            else scanner.Skip();
        }
        if (scanner.Peek() != 0) throw scanner.Wrong("something follows the object");
        return new TokenizerJsonFile
        {
            Model = model ?? throw new TokenizerException("It has no model."),
            AddedTokens = [.. ReadAdded(parts.GetValueOrDefault("added_tokens"))],
            Normalizer = parts.GetValueOrDefault("normalizer"),
            PreTokenizer = parts.GetValueOrDefault("pre_tokenizer"),
            PostProcessor = parts.GetValueOrDefault("post_processor"),
            Decoder = parts.GetValueOrDefault("decoder"),
        };
    }

    private static IEnumerable<AddedToken> ReadAdded(JsonElement list)
    {
        if (list.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null) yield break;
        if (list.ValueKind != JsonValueKind.Array) throw new TokenizerException("Its added_tokens are not a list.");
        foreach (var token in list.EnumerateArray())
        {
            if (token.ValueKind != JsonValueKind.Object) throw new TokenizerException("One of its added_tokens is not an object.");
            yield return AddedToken.Read(token.Number("id", -1), token.Text("content"), token);
        }
    }
}
