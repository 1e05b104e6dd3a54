using System.Text.Json;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>A prompt as the model sees it, and as text where it was given as that text.</summary>
internal sealed record EncodedPrompt(int[] TokenIds, string? Text);

/// <summary>Makes tokens of the prompts of a request.</summary>
internal sealed class PromptEncoder(LlmEngine engine)
{
    public Tokenizer Tokenizer => engine.Tokenizer ?? throw ApiException.Invalid("The engine has no tokenizer (--skip-tokenizer-init); give prompts as token ids.", "prompt");

    /// <summary>A text, a list of token ids, or a list of either.</summary>
    public List<EncodedPrompt> Read(JsonFields fields, string name, int maxPrompts, CancellationToken cancellationToken)
    {
        var addSpecialTokens = fields.Bool("add_special_tokens", otherwise: true);
        switch (fields.Get(name))
        {
            case { ValueKind: JsonValueKind.String } text:
                return [Encode(JsonFields.AsString(text, name), addSpecialTokens)];
            case { ValueKind: JsonValueKind.Array } list when list.GetArrayLength() > 0:
                if (list[0].ValueKind == JsonValueKind.Number) return [new EncodedPrompt(JsonFields.AsTokenIds(list, name), null)];
                if (list.GetArrayLength() > maxPrompts)
                    throw ApiException.Invalid($"{name} has {list.GetArrayLength()} entries; a request may have {maxPrompts}.", name);
                return [.. list.EnumerateArray().Select((entry, i) =>
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    return entry.ValueKind == JsonValueKind.Array
                        ? new EncodedPrompt(JsonFields.AsTokenIds(entry, $"{name}[{i}]"), null)
                        : Encode(JsonFields.AsString(entry, $"{name}[{i}]"), addSpecialTokens);
                })];
            case { ValueKind: not JsonValueKind.Array } other:
                throw fields.Wrong(name, "a string, a list of token ids, or a list of either", other);
            default:
                throw ApiException.Invalid($"{name} must be given and cannot be empty.", name);
        }
    }

    /// <exception cref="InvalidRequestException">The text is too long for the model, whatever its tokens are.</exception>
    public EncodedPrompt Encode(string text, bool addSpecialTokens)
    {
        var tokenizer = Tokenizer;
        engine.Prompts!.Check(text);
        return new EncodedPrompt(tokenizer.Encode(text, addSpecialTokens), text);
    }

    /// <summary>Keeps the last tokens of a prompt, as <c>truncate_prompt_tokens</c> says: so many, or with -1 as many as fit.</summary>
    public EncodedPrompt Truncate(EncodedPrompt prompt, JsonFields fields, int? maxTokens)
    {
        if (fields.Int("truncate_prompt_tokens") is not { } limit) return prompt;
        if (limit < -1 || limit > engine.MaxModelLength)
            throw ApiException.Invalid($"truncate_prompt_tokens must be -1 or in [0, {engine.MaxModelLength}], got {limit}.", "truncate_prompt_tokens");
        if (limit == -1) limit = Math.Max(1, engine.MaxModelLength - (maxTokens ?? 1));
        if (prompt.TokenIds.Length <= limit) return prompt;
        var fromLeft = fields.String("truncation_side") switch
        {
            null or "left" => true,
            "right" => false,
            var side => throw ApiException.Invalid($"truncation_side must be left or right, got '{side}'.", "truncation_side"),
        };
        return new EncodedPrompt(fromLeft ? prompt.TokenIds[^limit..] : prompt.TokenIds[..limit], Text: null);
    }
}
