using System.Text.Json;

namespace Beam.ML.Vllm.Tokenizers.Json;

/// <summary>Reads the descriptions of a tokenizer's parts; what is missing or of the wrong kind is an error that names it.</summary>
internal static class SpecReader
{
    public static string Type(this JsonElement spec, string part)
    {
        if (spec.ValueKind != JsonValueKind.Object) throw new TokenizerException($"A {part} is not an object.");
        return spec.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String
            ? type.GetString()! : throw new TokenizerException($"A {part} has no type.");
    }

    public static JsonElement Get(this JsonElement spec, string name) =>
        spec.TryGetProperty(name, out var value) ? value : throw new TokenizerException($"{Describe(spec)} lacks '{name}'.");

    public static string Text(this JsonElement spec, string name) => spec.OptionalText(name) ?? throw new TokenizerException($"{Describe(spec)} lacks the text '{name}'.");

    public static string? OptionalText(this JsonElement spec, string name) => !spec.TryGetProperty(name, out var value) ? null : value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        _ => throw new TokenizerException($"{Describe(spec)} has a '{name}' that is not a text."),
    };

    public static bool Flag(this JsonElement spec, string name, bool otherwise) => spec.OptionalFlag(name) ?? otherwise;

    public static bool? OptionalFlag(this JsonElement spec, string name) => !spec.TryGetProperty(name, out var value) ? null : value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw new TokenizerException($"{Describe(spec)} has a '{name}' that is neither true nor false."),
    };

    public static int Number(this JsonElement spec, string name, int otherwise) => !spec.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null
        ? otherwise
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= 0
            ? number : throw new TokenizerException($"{Describe(spec)} has a '{name}' that is not a whole number of 0 or more.");

    public static IEnumerable<JsonElement> List(this JsonElement spec, string name) => spec.Get(name) is { ValueKind: JsonValueKind.Array } list
        ? list.EnumerateArray() : throw new TokenizerException($"{Describe(spec)} has a '{name}' that is not a list.");

    private static string Describe(JsonElement spec) => spec.ValueKind == JsonValueKind.Object && spec.TryGetProperty("type", out var type)
        ? $"The part {type.GetRawText()}" : "A part";
}
