using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Beam.ML.Vllm.Tokenizers.Json;
using Beam.ML.Vllm.Tokenizers.Normalizers;

namespace Beam.ML.Vllm.Tokenizers.PreTokenizers;

/// <summary>Finds places in a text.</summary>
internal abstract class TextPattern
{
    /// <summary>Reports each match, from left to right, without overlap. Empty matches are left out.</summary>
    /// <exception cref="TokenizerException">It takes longer than there is time.</exception>
    public abstract void Match(ReadOnlySpan<char> text, PatternTime time, Action<int, int> found);

    /// <summary>Reads <c>{"String": …}</c> or <c>{"Regex": …}</c>.</summary>
    public static TextPattern Create(JsonElement spec)
    {
        if (spec.ValueKind == JsonValueKind.String) return new LiteralPattern(spec.GetString()!);
        if (spec.ValueKind == JsonValueKind.Object && spec.OptionalText("String") is { } literal) return new LiteralPattern(literal);
        if (spec.ValueKind == JsonValueKind.Object && spec.OptionalText("Regex") is { } regex) return new RegexPattern(regex);
        throw new TokenizerException("A pattern is neither a String nor a Regex.");
    }
}

internal sealed class LiteralPattern(string text) : TextPattern
{
    public string Text => text;

    public override void Match(ReadOnlySpan<char> input, PatternTime time, Action<int, int> found)
    {
        if (text.Length == 0) return;
        for (var at = 0; input[at..].IndexOf(text, StringComparison.Ordinal) is >= 0 and var skip; at += skip + text.Length)
            found(at + skip, text.Length);
    }
}

/// <summary>A class of characters; each character is a match of its own.</summary>
internal sealed class RunePattern(Func<Rune, bool> matches) : TextPattern
{
    public override void Match(ReadOnlySpan<char> text, PatternTime time, Action<int, int> found)
    {
        for (var at = 0; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text[at..], out var rune, out var length);
            if (matches(rune)) found(at, length);
            at += length;
        }
    }
}

/// <summary>A regular expression from a file: run with a time limit, on whole characters.</summary>
internal sealed class RegexPattern : TextPattern
{
    private const int MaxLength = 1 << 16;

    private readonly Regex _regex;

    public RegexPattern(string pattern)
    {
        if (pattern.Length > MaxLength) throw new TokenizerException($"A regular expression is longer than {MaxLength} characters.");
        try
        {
            var translated = RegexTranslator.Translate(pattern);
            _regex = new Regex(translated, RegexOptions.CultureInvariant | RegexOptions.Compiled, PatternTime.Limit);
        }
        catch (ArgumentException e)
        {
            throw new TokenizerException($"The regular expression '{Shorten(pattern)}' cannot be used: {e.Message}", e);
        }
    }

    public override void Match(ReadOnlySpan<char> text, PatternTime time, Action<int, int> found)
    {
        try
        {
            if (text.IndexOfAnyInRange('\uD800', '\uDFFF') >= 0) MatchWhole(text, time, found);
            else Matches(text, time, found);
        }
        catch (TimeoutException e)
        {
            throw new TokenizerException($"The regular expression '{Shorten(_regex.ToString())}' took longer than {PatternTime.Limit.TotalSeconds} s on a text.", e);
        }
    }

    private void Matches(ReadOnlySpan<char> text, PatternTime time, Action<int, int> found)
    {
        var now = time.Now;
        foreach (var match in _regex.EnumerateMatches(text))
        {
            now = time.Spend(now);
            if (match.Length > 0) found(match.Index, match.Length);
        }

        time.Spend(now);
    }

    // .NET matches UTF-16 code units, so a letter beyond the first plane would be no letter. A shadow of the text has a character
    // of the same category in its place.
    private void MatchWhole(ReadOnlySpan<char> text, PatternTime time, Action<int, int> found)
    {
        var shadow = ArrayPool<char>.Shared.Rent(text.Length);
        var places = ArrayPool<int>.Shared.Rent(text.Length + 1);
        try
        {
            var count = 0;
            for (var at = 0; at < text.Length;)
            {
                places[count] = at;
                Rune.DecodeFromUtf16(text[at..], out var rune, out var length);
                shadow[count++] = rune.IsBmp ? (char)rune.Value : Shadow(rune);
                at += length;
            }
            places[count] = text.Length;
            Matches(shadow.AsSpan(0, count), time, (start, length) => found(places[start], places[start + length] - places[start]));
        }
        finally
        {
            ArrayPool<char>.Shared.Return(shadow);
            ArrayPool<int>.Shared.Return(places);
        }
    }

    private static char Shadow(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter => '\uA680',
        UnicodeCategory.LowercaseLetter => '\uA681',
        UnicodeCategory.TitlecaseLetter => '\u01C5',
        UnicodeCategory.ModifierLetter => '\uA69C',
        UnicodeCategory.OtherLetter => Runes.IsChinese(rune.Value) || rune.Value is >= 0x2CEB0 and <= 0x323AF ? '\u3400' : '\uA66E',
        UnicodeCategory.NonSpacingMark => '\uA66F',
        UnicodeCategory.SpacingCombiningMark => '\uA823',
        UnicodeCategory.EnclosingMark => '\uA670',
        UnicodeCategory.DecimalDigitNumber => '\uA620',
        UnicodeCategory.LetterNumber => '\uA6E6',
        UnicodeCategory.OtherNumber => '\uA830',
        UnicodeCategory.ConnectorPunctuation => '\u2054',
        UnicodeCategory.DashPunctuation => '\u2E3A',
        UnicodeCategory.OpenPunctuation => '\u2E28',
        UnicodeCategory.ClosePunctuation => '\u2E29',
        UnicodeCategory.OtherPunctuation => '\uA6F2',
        UnicodeCategory.MathSymbol => '\u2980',
        UnicodeCategory.CurrencySymbol => '\uA838',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.OtherSymbol => '\uA828',
        UnicodeCategory.Format => '\u2060',
        UnicodeCategory.PrivateUse => '\uE000',
        _ => '\u0378',
    };

    private static string Shorten(string pattern) => pattern.Length <= 80 ? pattern : pattern[..80] + "…";
}
