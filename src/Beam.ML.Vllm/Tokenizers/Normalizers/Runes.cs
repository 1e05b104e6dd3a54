using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.Tokenizers.Normalizers;

/// <summary>Classes of characters as the reference libraries draw them, and edits by character.</summary>
internal static class Runes
{
    public static bool IsMark(Rune rune) => Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    public static bool IsPunctuation(Rune rune) => rune.IsAscii
        ? rune.Value is >= 33 and <= 47 or >= 58 and <= 64 or >= 91 and <= 96 or >= 123 and <= 126
        : Rune.IsPunctuation(rune);

    /// <summary>What <c>\w</c> matches.</summary>
    public static bool IsWord(Rune rune) => Rune.IsLetter(rune) || IsMark(rune) || rune.Value is 0x200C or 0x200D or >= 0x24B6 and <= 0x24E9 ||
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;

    public static bool IsChinese(int point) => point is
        >= 0x4E00 and <= 0x9FFF or >= 0x3400 and <= 0x4DBF or >= 0x20000 and <= 0x2A6DF or >= 0x2A700 and <= 0x2B73F or
        >= 0x2B740 and <= 0x2B81F or >= 0x2B920 and <= 0x2CEAF or >= 0xF900 and <= 0xFAFF or >= 0x2F800 and <= 0x2FA1F;

    public static string Filter(string text, Func<Rune, bool> keep)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            if (keep(rune)) Append(result, rune);
        return result.Length == text.Length ? text : result.ToString();
    }

    public static string Map(string text, Func<Rune, Rune> map)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes()) Append(result, map(rune));
        return result.ToString();
    }

    public static void Append(StringBuilder result, Rune rune)
    {
        Span<char> chars = stackalloc char[2];
        result.Append(chars[..rune.EncodeToUtf16(chars)]);
    }
}
