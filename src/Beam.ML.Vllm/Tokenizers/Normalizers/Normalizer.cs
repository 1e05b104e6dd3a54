using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Tokenizers.Json;
using Beam.ML.Vllm.Tokenizers.PreTokenizers;

namespace Beam.ML.Vllm.Tokenizers.Normalizers;

/// <summary>Rewrites a text before it is split: the <c>normalizer</c> of a tokenizer.json.</summary>
internal abstract class Normalizer
{
    public abstract string Normalize(string text);

    /// <summary>The same within a time that patterns share with others.</summary>
    public virtual string Normalize(string text, PatternTime time) => Normalize(text);

    /// <summary>Builds what a tokenizer.json describes; null for none.</summary>
    public static Normalizer? Create(JsonElement spec)
    {
        if (spec.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined) return null;
        var type = spec.Type("normalizer");
        return type switch
        {
            "NFC" => new UnicodeNormalizer(compatible: false, compose: true),
            "NFD" => new UnicodeNormalizer(compatible: false, compose: false),
            "NFKC" => new UnicodeNormalizer(compatible: true, compose: true),
            "NFKD" => new UnicodeNormalizer(compatible: true, compose: false),
            "Lowercase" => new LowercaseNormalizer(),
            "Strip" => new StripNormalizer(spec.Flag("strip_left", true), spec.Flag("strip_right", true)),
            "StripAccents" => new StripAccentsNormalizer(),
            "Nmt" => new NmtNormalizer(),
            "ByteLevel" => new ByteLevelNormalizer(),
            "Prepend" => new PrependNormalizer(spec.Text("prepend")),
            "Replace" => new ReplaceNormalizer(TextPattern.Create(spec.Get("pattern")), spec.Text("content")),
            "BertNormalizer" => new BertNormalizer(
                spec.Flag("clean_text", true), spec.Flag("handle_chinese_chars", true), spec.OptionalFlag("strip_accents"), spec.Flag("lowercase", true)),
            "Precompiled" => new PrecompiledNormalizer(spec.Text("precompiled_charsmap")),
            "Sequence" => new SequenceNormalizer([.. spec.List("normalizers").Select(Create).OfType<Normalizer>()]),
            _ => throw new TokenizerException($"The normalizer '{type}' is not supported."),
        };
    }
}

internal sealed class SequenceNormalizer(Normalizer[] parts) : Normalizer
{
    public override string Normalize(string text) => Normalize(text, new PatternTime(text.Length));

    public override string Normalize(string text, PatternTime time)
    {
        foreach (var part in parts) text = part.Normalize(text, time);
        return text;
    }
}

internal sealed class LowercaseNormalizer : Normalizer
{
    public override string Normalize(string text)
    {
        var lower = text.ToLowerInvariant();
        // The one character whose lower case is two.
        return lower.Contains('İ') ? lower.Replace("İ", "i\u0307", StringComparison.Ordinal) : lower;
    }
}

internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    public override string Normalize(string text) => (left, right) switch
    {
        (true, true) => text.Trim(),
        (true, false) => text.TrimStart(),
        (false, true) => text.TrimEnd(),
        _ => text,
    };
}

internal sealed class StripAccentsNormalizer : Normalizer
{
    public override string Normalize(string text) => Runes.Filter(text, rune => !Runes.IsMark(rune));
}

internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    public override string Normalize(string text) => text.Length == 0 ? text : prefix + text;
}

internal sealed class ReplaceNormalizer(TextPattern pattern, string content) : Normalizer
{
    public override string Normalize(string text) => Normalize(text, new PatternTime(text.Length));

    public override string Normalize(string text, PatternTime time)
    {
        if (pattern is LiteralPattern { Text.Length: > 0 } literal) return text.Replace(literal.Text, content, StringComparison.Ordinal);
        StringBuilder? result = null;
        var done = 0;
        pattern.Match(text, time, (start, length) =>
        {
            (result ??= new StringBuilder(text.Length)).Append(text, done, start - done).Append(content);
            done = start + length;
        });
        return result is null ? text : result.Append(text, done, text.Length - done).ToString();
    }
}

internal sealed class NmtNormalizer : Normalizer
{
    public override string Normalize(string text) => Runes.Map(Runes.Filter(text, rune => rune.Value is not
        (>= 0x01 and <= 0x08 or 0x0B or >= 0x0E and <= 0x1F or 0x7F or 0x8F or 0x9F)), rune => rune.Value is
        0x09 or 0x0A or 0x0C or 0x0D or 0x1680 or >= 0x200B and <= 0x200F or 0x2028 or 0x2029 or 0x2581 or 0xFEFF or 0xFFFD ? new Rune(' ') : rune);
}

internal sealed class ByteLevelNormalizer : Normalizer
{
    public override string Normalize(string text) => ByteAlphabet.Encode(text);
}
