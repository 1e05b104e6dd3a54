using System.Text.Json;

namespace Beam.ML.Vllm.Tokenizers;

/// <summary>A token that is found in the text itself, before the model sees it.</summary>
/// <param name="Id">The token's id.</param>
/// <param name="Content">The text that it matches.</param>
/// <param name="Special">Left out when special tokens are skipped.</param>
/// <param name="SingleWord">Matches only between characters that are not part of a word.</param>
/// <param name="LStrip">Takes the white space before it along.</param>
/// <param name="RStrip">Takes the white space after it along.</param>
/// <param name="Normalized">Matches in the normalized text.</param>
internal sealed record AddedToken(
    int Id, string Content, bool Special = true, bool SingleWord = false, bool LStrip = false, bool RStrip = false, bool Normalized = false)
{
    public static AddedToken Read(int id, string content, JsonElement value)
    {
        var special = Flag("special", false);
        return new(id, content, special, Flag("single_word", false), Flag("lstrip", false), Flag("rstrip", false), Flag("normalized", !special));

        bool Flag(string name, bool otherwise) =>
            value.TryGetProperty(name, out var flag) && flag.ValueKind is JsonValueKind.True or JsonValueKind.False ? flag.GetBoolean() : otherwise;
    }
}
