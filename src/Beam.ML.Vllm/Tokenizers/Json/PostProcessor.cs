using System.Text.Json;

namespace Beam.ML.Vllm.Tokenizers.Json;

/// <summary>The tokens put before and after a text: the <c>post_processor</c> of a tokenizer.json.</summary>
internal sealed record PostProcessor(int[] Before, int[] After)
{
    public static PostProcessor None { get; } = new([], []);

    public static PostProcessor Create(JsonElement spec)
    {
        if (spec.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined) return None;
        var type = spec.Type("post-processor");
        return type switch
        {
            // It only moves offsets.
            "ByteLevel" => None,
            "BertProcessing" or "RobertaProcessing" => new([PairId(spec, "cls")], [PairId(spec, "sep")]),
            "TemplateProcessing" => Template(spec),
            "Sequence" => spec.List("processors").Select(Create).Aggregate(None, (inner, outer) =>
                new([.. outer.Before, .. inner.Before], [.. inner.After, .. outer.After])),
            _ => throw new TokenizerException($"The post-processor '{type}' is not supported."),
        };
    }

    private static int PairId(JsonElement spec, string name)
    {
        var pair = spec.Get(name);
        return pair.ValueKind == JsonValueKind.Array && pair.GetArrayLength() == 2 && pair[1].ValueKind == JsonValueKind.Number && pair[1].TryGetInt32(out var id)
            ? id : throw new TokenizerException($"The post-processor's '{name}' is not a token with its id.");
    }

    private static PostProcessor Template(JsonElement spec)
    {
        List<int> before = [], after = [];
        var seenText = false;
        foreach (var item in spec.List("single"))
        {
            if (item.TryGetProperty("Sequence", out _))
            {
                if (seenText) throw new TokenizerException("The post-processor's template has the text twice.");
                seenText = true;
            }
            else (seenText ? after : before).AddRange(SpecialIds(spec, item.Get("SpecialToken").Text("id")));
        }
        return seenText ? new([.. before], [.. after]) : throw new TokenizerException("The post-processor's template lacks the text.");
    }

    private static IEnumerable<int> SpecialIds(JsonElement spec, string name) =>
        spec.Get("special_tokens").Get(name).List("ids").Select(id => id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out var value)
            ? value : throw new TokenizerException($"The post-processor's token '{name}' has no valid id."));
}
