using System.Text.Json;

namespace Beam.ML.Vllm.Tokenizers;

/// <summary>What <c>tokenizer_config.json</c> (and <c>special_tokens_map.json</c> under it) say of special tokens.</summary>
internal sealed class TokenizerConfig
{
    private const long MaxBytes = 64 << 20;

    private static readonly string[] RoleNames = ["bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token", "mask_token"];

    /// <summary>Special tokens by role (<c>bos_token</c> …), as they are written in text.</summary>
    public Dictionary<string, string> Roles { get; } = new(StringComparer.Ordinal);

    /// <summary>Further special tokens, without a role.</summary>
    public List<string> AdditionalSpecialTokens { get; } = [];

    /// <summary><c>added_tokens_decoder</c>: tokens by id.</summary>
    public List<AddedToken> AddedTokens { get; } = [];

    public bool? AddBosToken { get; private set; }
    public bool? AddEosToken { get; private set; }
    public bool? AddPrefixSpace { get; private set; }
    public bool? Legacy { get; private set; }
    public string? TokenizerClass { get; private set; }

    /// <summary>Whether a <c>tokenizer_config.json</c> was there at all.</summary>
    public bool Exists { get; private set; }

    public string? Role(string name) => Roles.GetValueOrDefault(name);

    /// <summary>All tokens that the files call special.</summary>
    public IEnumerable<string> SpecialTokens => Roles.Values.Concat(AdditionalSpecialTokens).Distinct(StringComparer.Ordinal);

    public static TokenizerConfig Load(string folder)
    {
        var config = new TokenizerConfig();
        config.Read(Path.Combine(folder, "special_tokens_map.json"));
        config.Exists = config.Read(Path.Combine(folder, "tokenizer_config.json"));
        return config;
    }

    private bool Read(string path)
    {
        if (!File.Exists(path)) return false;
        if (new FileInfo(path).Length > MaxBytes) throw new TokenizerException($"'{path}' is larger than {MaxBytes >> 20} MiB.");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 64 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new TokenizerException($"'{path}' is not a JSON object.");
            Read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"'{path}' cannot be read: {e.Message.ReplaceLineEndings(" ")}", e);
        }
        return true;
    }

    private void Read(JsonElement root)
    {
        foreach (var role in RoleNames)
        {
            if (!root.TryGetProperty(role, out var value)) continue;
            if (TokenText(value) is { } text) Roles[role] = text;
            else Roles.Remove(role);
        }
        AddBosToken = Flag(root, "add_bos_token") ?? AddBosToken;
        AddEosToken = Flag(root, "add_eos_token") ?? AddEosToken;
        AddPrefixSpace = Flag(root, "add_prefix_space") ?? AddPrefixSpace;
        Legacy = Flag(root, "legacy") ?? Legacy;
        if (root.TryGetProperty("tokenizer_class", out var name) && name.ValueKind == JsonValueKind.String) TokenizerClass = name.GetString();
        foreach (var list in (string[])["additional_special_tokens", "extra_special_tokens"])
            ReadAdditional(root, list);
        if (!root.TryGetProperty("added_tokens_decoder", out var added) || added.ValueKind != JsonValueKind.Object) return;
        foreach (var entry in added.EnumerateObject())
            if (int.TryParse(entry.Name, out var id) && entry.Value.ValueKind == JsonValueKind.Object && TokenText(entry.Value) is { Length: > 0 } content)
                AddedTokens.Add(AddedToken.Read(id, content, entry.Value));
    }

    private void ReadAdditional(JsonElement root, string name)
    {
        if (!root.TryGetProperty(name, out var list)) return;
        IEnumerable<JsonElement> values = list.ValueKind switch
        {
            JsonValueKind.Array => list.EnumerateArray(),
            JsonValueKind.Object => list.EnumerateObject().Select(p => p.Value),
            _ => [],
        };
        foreach (var value in values)
            if (TokenText(value) is { Length: > 0 } text && !AdditionalSpecialTokens.Contains(text)) AdditionalSpecialTokens.Add(text);
    }

    private static bool? Flag(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) ? value.ValueKind switch { JsonValueKind.True => true, JsonValueKind.False => false, _ => null } : null;

    // A token is written as its text, or as an object that holds it with its flags.
    internal static string? TokenText(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Object when value.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.String => content.GetString(),
        _ => null,
    };
}
