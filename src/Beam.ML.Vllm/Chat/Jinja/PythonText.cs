using System.Buffers;
using System.Text;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Python's operations on texts that .NET has otherwise. Places are Python's, counted in code points, but for <see cref="Find"/>.</summary>
internal static class PythonText
{
    private static readonly SearchValues<char> LineEnds = SearchValues.Create("\n\r\v\f\u0085\u2028\u2029\x1c\x1d\x1e");

    public static long Length(string text, JinjaLimits limits)
    {
        limits.Read(text.Length);
        return Length(text);
    }

    public static int Length(ReadOnlySpan<char> text)
    {
        var count = 0;
        foreach (var _ in text.EnumerateRunes()) count++;
        return count;
    }

    /// <summary>The character at a place, counted from the end if negative; null if there is none.</summary>
    public static string? CharacterAt(string text, long place, JinjaLimits limits)
    {
        if (place < 0) place += Length(text, limits);
        var at = place < 0 ? text.Length : Offset(text, place, limits);
        if (at == text.Length) return null;
        Rune.DecodeFromUtf16(text.AsSpan(at), out _, out var length);
        return text.Substring(at, length);
    }

    /// <summary>The characters between two places, of which the first is before the second.</summary>
    public static string Slice(string text, long start, long stop, JinjaLimits limits) => text[Offset(text, start, limits)..Offset(text, stop, limits)];

    /// <summary>Where a text first is in another (last, from the end), in UTF-16 code units; negative if it is not there.</summary>
    public static int Find(string text, string part, JinjaLimits limits, bool fromEnd = false)
    {
        limits.Read((long)text.Length + part.Length);
        return fromEnd ? TextSearch.LastIndexOf(text, part) : TextSearch.IndexOf(text, part);
    }

    public static long Count(string text, string part, JinjaLimits limits)
    {
        if (part.Length == 0) return Length(text, limits) + 1;
        limits.Read(part.Length);
        var search = new TextSearch(part);
        long count = 0;
        for (var from = 0; (from = search.Find(text, from, text.Length)) >= 0; from += part.Length) count++;
        return count;
    }

    public static string Strip(string text, string? chars, JinjaLimits limits, bool start = true, bool end = true)
    {
        limits.Read((chars?.Length ?? 0) + (long)text.Length);
        var set = chars?.ToHashSet();
        bool Stripped(char c) => set is null ? IsSpace(c) : set.Contains(c);
        var (from, to) = (0, text.Length);
        while (start && from < to && Stripped(text[from])) from++;
        while (end && to > from && Stripped(text[to - 1])) to--;
        return text[from..to];
    }

    public static List<object> Split(string text, string? separator, long limit, bool fromEnd, JinjaLimits limits)
    {
        limits.Read(text.Length + (long)(separator?.Length ?? 0));
        var max = limit < 0 ? int.MaxValue : (int)Math.Min(limit, int.MaxValue);
        var parts = separator is null ? fromEnd ? WordsFromEnd(text, max, limits) : Words(text, max, limits) : SplitAt(text, separator, max, fromEnd, limits);
        if (fromEnd) parts.Reverse();
        return parts;
    }

    public static List<object> SplitLines(string text, bool keepEnds, JinjaLimits limits)
    {
        var lines = new List<object>();
        for (var at = 0; at < text.Length;)
        {
            var end = text.AsSpan(at).IndexOfAny(LineEnds);
            if (end < 0)
            {
                limits.Add(lines, text[at..]);
                break;
            }
            var next = at + end + (text[at + end] == '\r' && at + end + 1 < text.Length && text[at + end + 1] == '\n' ? 2 : 1);
            limits.Add(lines, text[at..(keepEnds ? next : at + end)]);
            at = next;
        }
        return lines;
    }

    public static bool IsLower(string text, JinjaLimits limits) => Has(text, char.IsLower, limits) && !Has(text, char.IsUpper, limits);

    public static bool IsUpper(string text, JinjaLimits limits) => Has(text, char.IsUpper, limits) && !Has(text, char.IsLower, limits);

    public static string Capitalize(string text) => text.Length == 0 ? text : text[..1].ToUpperInvariant() + text[1..].ToLowerInvariant();

    /// <summary><c>str.title()</c>: a letter after what is no letter is a capital.</summary>
    public static string Title(string text) => Title(text, char.IsLetter);

    /// <summary>Jinja's filter: a word starts after blanks, hyphens and opening brackets only.</summary>
    public static string TitleWords(string text) => Title(text, c => !(char.IsWhiteSpace(c) || c is '-' or '(' or '{' or '[' or '<'));

    public static string Replace(string text, string old, string by, long count, JinjaLimits limits)
    {
        if (count == 0) return text;
        var result = new JinjaText(limits);
        var at = 0;
        if (old.Length == 0)
        {
            // The empty text is found before each character and at the end.
            for (; at <= text.Length; at++)
            {
                if (count-- != 0) result.Append(by);
                else count = 0;
                if (at < text.Length) result.Append(text[at]);
            }
            return result.ToString();
        }
        limits.Read(old.Length);
        var search = new TextSearch(old);
        while (count-- != 0 && search.Find(text, at, text.Length) is >= 0 and var found)
        {
            result.Append(text.AsSpan(at, found - at)).Append(by);
            at = found + old.Length;
        }
        return result.Append(text.AsSpan(at)).ToString();
    }

    public static string Join(IEnumerable<object> items, string separator, JinjaLimits limits)
    {
        var result = new JinjaText(limits);
        var first = true;
        foreach (var item in items)
        {
            if (!first) result.Append(separator);
            first = false;
            result.Append(PythonObject.ToText(item, limits));
        }
        return result.ToString();
    }

    public static string Escape(string text, JinjaLimits limits)
    {
        var result = new JinjaText(limits);
        foreach (var c in text)
            _ = c switch
            {
                '&' => result.Append("&amp;"),
                '<' => result.Append("&lt;"),
                '>' => result.Append("&gt;"),
                '"' => result.Append("&#34;"),
                '\'' => result.Append("&#39;"),
                _ => result.Append(c),
            };
        return result.ToString();
    }

    private static string Title(string text, Func<char, bool> continues)
    {
        var result = new StringBuilder(text.Length);
        var within = false;
        foreach (var c in text)
        {
            result.Append(within ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c));
            within = continues(c);
        }
        return result.ToString();
    }

    private static bool Has(string text, Predicate<char> kind, JinjaLimits limits)
    {
        limits.Read(text.Length);
        foreach (var c in text)
            if (kind(c)) return true;
        return false;
    }

    /// <summary>Where the character of a number is, in UTF-16 code units; the end, if there are not so many.</summary>
    private static int Offset(string text, long characters, JinjaLimits limits)
    {
        if (characters >= text.Length) return text.Length;
        // Up to the first surrogate both count the same, and are looked through by many at a time.
        var first = text.AsSpan(0, (int)characters);
        var at = first.IndexOfAnyInRange('\uD800', '\uDFFF');
        limits.Read(first.Length / 16 + 1);
        if (at < 0) return first.Length;
        limits.Read(first.Length - at);
        for (var left = first.Length - at; left > 0 && at < text.Length; left--)
        {
            Rune.DecodeFromUtf16(text.AsSpan(at), out _, out var length);
            at += length;
        }
        return at;
    }

    private static List<object> SplitAt(string text, string separator, int max, bool fromEnd, JinjaLimits limits)
    {
        if (separator.Length == 0) throw new ChatTemplateException("empty separator");
        var search = new TextSearch(separator, fromEnd);
        var parts = new List<object>();
        var (from, to) = (0, text.Length);
        while (parts.Count < max && search.Find(text, from, to) is >= 0 and var at)
        {
            limits.Add(parts, fromEnd ? text[(at + separator.Length)..to] : text[from..at]);
            (from, to) = fromEnd ? (from, at) : (at + separator.Length, to);
        }
        limits.Add(parts, text[from..to]);
        return parts;
    }

    private static List<object> Words(string text, int max, JinjaLimits limits)
    {
        var words = new List<object>();
        for (var at = 0; ;)
        {
            while (at < text.Length && IsSpace(text[at])) at++;
            if (at == text.Length) return words;
            var start = at;
            while (at < text.Length && (words.Count == max || !IsSpace(text[at]))) at++;
            limits.Add(words, text[start..at]);
        }
    }

    private static List<object> WordsFromEnd(string text, int max, JinjaLimits limits)
    {
        var words = new List<object>();
        for (var at = text.Length; ;)
        {
            while (at > 0 && IsSpace(text[at - 1])) at--;
            if (at == 0) return words;
            var end = at;
            while (at > 0 && (words.Count == max || !IsSpace(text[at - 1]))) at--;
            limits.Add(words, text[at..end]);
        }
    }

    private static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';
}
