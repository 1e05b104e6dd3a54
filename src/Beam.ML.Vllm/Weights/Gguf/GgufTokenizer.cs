using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>Writes the tokenizer of a checkpoint folder, its special tokens and its chat template.</summary>
internal static class GgufTokenizer
{
    public static void Add(GgufModel model, string folder)
    {
        var metadata = model.Metadata;
        if (Read(folder, model.Warnings) is not { } vocabulary)
        {
            metadata.Add("tokenizer.ggml.model", "none");
            return;
        }

        AddVocabulary(metadata, vocabulary, model.Config.VocabularySize, folder);
        var tokenizer = Tokenizer.Load(folder);
        AddSpecials(metadata, tokenizer, model.Config, GenerationConfig.Load(folder));
        if (ChatTemplate(folder) is { } template) metadata.Add("tokenizer.chat_template", template);
    }

    /// <summary>tokenizer.model has what the conversion to tokenizer.json loses: it counts where both are there.</summary>
    private static GgufVocabulary? Read(string folder, List<string> warnings)
    {
        var pieces = Path.Combine(folder, "tokenizer.model");
        var json = Path.Combine(folder, "tokenizer.json");
        var vocabulary = File.Exists(pieces) ? GgufSentencePiece.Read(pieces, warnings) : File.Exists(json) ? GgufJsonTokenizer.Read(json, warnings) : null;
        if (vocabulary is null)
        {
            warnings.Add($"'{folder}' has no tokenizer that llama.cpp knows: the file takes and gives token ids only.");
            return null;
        }

        var config = TokenizerConfig.Load(folder);
        foreach (var token in config.AddedTokens)
        {
            var kind = vocabulary.Kinds.ElementAtOrDefault(token.Id) is GgufTokenKind.Unknown or GgufTokenKind.Byte
                ? vocabulary.Kinds[token.Id]
                : token.Special ? GgufTokenKind.Control : GgufTokenKind.UserDefined;
            vocabulary.Mark(token.Id, Encoding.UTF8.GetBytes(token.Content), kind);
        }

        return vocabulary;
    }

    private static void AddVocabulary(GgufMetadata metadata, GgufVocabulary vocabulary, int size, string folder)
    {
        if (vocabulary.Tokens.Count > size)
            throw new ModelLoadException($"'{folder}': the tokenizer has {vocabulary.Tokens.Count} tokens, but config.json says vocab_size {size}; the two are not of one model.");
        var tokens = new List<byte[]>(size);
        for (var id = 0; id < size; id++) tokens.Add(vocabulary.Tokens.ElementAtOrDefault(id) ?? Encoding.UTF8.GetBytes($"[PAD{id}]"));
        metadata.Add("tokenizer.ggml.model", vocabulary.Model);
        if (vocabulary.Pre is { } pre) metadata.Add("tokenizer.ggml.pre", pre);
        metadata.Add("tokenizer.ggml.tokens", tokens);
        if (vocabulary.Model != "gpt2") metadata.Add("tokenizer.ggml.scores", [.. vocabulary.Scores, .. Enumerable.Repeat(0f, size - vocabulary.Scores.Count)]);
        metadata.Add("tokenizer.ggml.token_type", [.. vocabulary.Kinds.Select(k => (int)k), .. Enumerable.Repeat((int)GgufTokenKind.Unused, size - vocabulary.Kinds.Count)]);
        if (vocabulary.Model == "gpt2") metadata.Add("tokenizer.ggml.merges", vocabulary.Merges);
        else metadata.Add("tokenizer.ggml.add_space_prefix", vocabulary.AddSpacePrefix);
        if (vocabulary.Model != "t5") return;
        metadata.Add("tokenizer.ggml.remove_extra_whitespaces", vocabulary.RemoveExtraWhitespaces);
        if (vocabulary.PrecompiledCharsMap.Length > 0) metadata.Add("tokenizer.ggml.precompiled_charsmap", vocabulary.PrecompiledCharsMap.AsSpan());
    }

    private static void AddSpecials(GgufMetadata metadata, Tokenizer tokenizer, ModelConfig config, GenerationConfig generation)
    {
        // A turn that ends in another way than a text does has its own token.
        int[] ends = [.. new[] { tokenizer.EosTokenId }.OfType<int>().Concat(config.EosTokenIds).Concat(generation.EosTokenIds).Distinct()];
        var bos = tokenizer.BosTokenId ?? config.BosTokenId;
        if (bos is { } first) metadata.Add("tokenizer.ggml.bos_token_id", first);
        if (ends.Length > 0) metadata.Add("tokenizer.ggml.eos_token_id", ends[0]);
        if (ends.Length > 1) metadata.Add("tokenizer.ggml.eot_token_id", ends[1]);
        if (tokenizer.UnkTokenId is { } unknown) metadata.Add("tokenizer.ggml.unknown_token_id", unknown);
        if (tokenizer.PadTokenId is { } pad) metadata.Add("tokenizer.ggml.padding_token_id", pad);
        var around = tokenizer.Encode("a");
        metadata.Add("tokenizer.ggml.add_bos_token", around.Length > 0 && around[0] == bos);
        metadata.Add("tokenizer.ggml.add_eos_token", around.Length > 0 && ends.Contains(around[^1]));
    }

    private static string? ChatTemplate(string folder)
    {
        var jinja = Path.Combine(folder, "chat_template.jinja");
        if (File.Exists(jinja)) return File.ReadAllText(jinja);
        foreach (var name in (string[])["chat_template.json", "tokenizer_config.json"])
        {
            var path = Path.Combine(folder, name);
            if (File.Exists(path) && JsonFile.Read(path, Template) is { } template) return template;
        }

        return null;
    }

    private static string? Template(JsonElement root)
    {
        if (!root.TryGetProperty("chat_template", out var value)) return null;
        if (value.ValueKind == JsonValueKind.String) return value.GetString();
        if (value.ValueKind != JsonValueKind.Array) return null;
        var named = value.EnumerateArray().Where(e => e.ValueKind == JsonValueKind.Object && e.TryGetProperty("name", out var n) && n.ToString() == "default");
        return named.Select(e => e.TryGetProperty("template", out var t) ? t.ToString() : null).FirstOrDefault();
    }
}
