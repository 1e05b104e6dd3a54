using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.Tokenizers.Normalizers;

/// <summary>BERT's clean-up: control characters out, white space to spaces, Chinese characters apart, accents off, lower case.</summary>
internal sealed class BertNormalizer(bool cleanText, bool handleChinese, bool? stripAccents, bool lowercase) : Normalizer
{
    private readonly UnicodeNormalizer _decompose = new(compatible: false, compose: false);
    private readonly LowercaseNormalizer _lowercase = new();

    public override string Normalize(string text)
    {
        if (cleanText) text = Clean(text);
        if (handleChinese) text = SetChineseApart(text);
        if (stripAccents ?? lowercase)
            text = Runes.Filter(_decompose.Normalize(text), rune => Rune.GetUnicodeCategory(rune) != UnicodeCategory.NonSpacingMark);
        return lowercase ? _lowercase.Normalize(text) : text;
    }

    private static string Clean(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is 0 or 0xFFFD || IsControl(rune)) continue;
            Runes.Append(result, Rune.IsWhiteSpace(rune) ? new Rune(' ') : rune);
        }
        return result.ToString();
    }

    private static string SetChineseApart(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            var chinese = Runes.IsChinese(rune.Value);
            if (chinese) result.Append(' ');
            Runes.Append(result, rune);
            if (chinese) result.Append(' ');
        }
        return result.ToString();
    }

    private static bool IsControl(Rune rune) => rune.Value is not ('\t' or '\n' or '\r') && Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;
}
