using System.Text;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Python's operations on texts that .NET has otherwise.</summary>
internal static class PythonText
{
    public static string Strip(string text, string? chars, bool start = true, bool end = true)
    {
        bool Stripped(char c) => chars is null ? char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f' : chars.Contains(c);
        var (from, to) = (0, text.Length);
        while (start && from < to && Stripped(text[from])) from++;
        while (end && to > from && Stripped(text[to - 1])) to--;
        return text[from..to];
    }

    public static List<object> Split(string text, string? separator, long limit, bool fromEnd)
    {
        var parts = new List<string>();
        var max = limit < 0 ? int.MaxValue : (int)Math.Min(limit, int.MaxValue);
        if (separator is null)
        {
            var rest = Strip(text, null);
            while (rest.Length > 0)
            {
                if (parts.Count >= max)
                {
                    parts.Add(rest);
                    break;
                }
                var at = fromEnd ? LastSpace(rest) : FirstSpace(rest);
                parts.Add(at < 0 ? rest : fromEnd ? rest[(at + 1)..] : rest[..at]);
                if (at < 0) break;
                rest = fromEnd ? Strip(rest[..at], null, start: false) : Strip(rest[at..], null, end: false);
            }
        }
        else
        {
            if (separator.Length == 0) throw new ChatTemplateException("empty separator");
            var rest = text;
            while (true)
            {
                var at = parts.Count >= max ? -1 : fromEnd ? rest.LastIndexOf(separator, StringComparison.Ordinal) : rest.IndexOf(separator, StringComparison.Ordinal);
                parts.Add(at < 0 ? rest : fromEnd ? rest[(at + separator.Length)..] : rest[..at]);
                if (at < 0) break;
                rest = fromEnd ? rest[..at] : rest[(at + separator.Length)..];
                if (parts.Count > JinjaLimits.MaxItems) throw new ChatTemplateException($"a list grows beyond {JinjaLimits.MaxItems} items");
            }
        }
        if (fromEnd) parts.Reverse();
        return [.. parts];
    }

    public static List<object> SplitLines(string text, bool keepEnds)
    {
        var lines = new List<object>();
        for (var at = 0; at < text.Length;)
        {
            var end = text.AsSpan(at).IndexOfAny("\n\r\v\f\u0085\u2028\u2029\x1c\x1d\x1e");
            if (end < 0)
            {
                lines.Add(text[at..]);
                break;
            }
            var next = at + end + (text[at + end] == '\r' && at + end + 1 < text.Length && text[at + end + 1] == '\n' ? 2 : 1);
            lines.Add(text[at..(keepEnds ? next : at + end)]);
            at = next;
        }
        return lines;
    }

    public static string Capitalize(string text) => text.Length == 0 ? text : text[..1].ToUpperInvariant() + text[1..].ToLowerInvariant();

    /// <summary><c>str.title()</c>: a letter after what is no letter is a capital.</summary>
    public static string Title(string text) => Title(text, char.IsLetter);

    /// <summary>Jinja's filter: a word starts after blanks, hyphens and opening brackets only.</summary>
    public static string TitleWords(string text) => Title(text, c => !(char.IsWhiteSpace(c) || c is '-' or '(' or '{' or '[' or '<'));

    public static string Replace(string text, string old, string by, long count, JinjaLimits limits)
    {
        if (count == 0) return text;
        var result = new StringBuilder(text.Length);
        var at = 0;
        if (old.Length == 0)
        {
            // The empty text is found before each character and at the end.
            for (; at <= text.Length; at++)
            {
                if (count-- != 0) result.Append(by);
                else count = 0;
                if (at < text.Length) result.Append(text[at]);
                if (result.Length > JinjaLimits.MaxText) throw JinjaLimits.TextTooLong;
            }
        }
        else
        {
            while (count-- != 0 && text.IndexOf(old, at, StringComparison.Ordinal) is >= 0 and var found)
            {
                result.Append(text, at, found - at).Append(by);
                at = found + old.Length;
                if (result.Length > JinjaLimits.MaxText) throw JinjaLimits.TextTooLong;
            }
            result.Append(text, at, text.Length - at);
        }
        limits.Make(result.Length);
        return result.ToString();
    }

    public static string Join(IEnumerable<object> items, string separator, JinjaLimits limits)
    {
        var result = new StringBuilder();
        var first = true;
        foreach (var item in items)
        {
            if (!first) result.Append(separator);
            first = false;
            result.Append(PythonObject.ToText(item));
            if (result.Length > JinjaLimits.MaxText) throw JinjaLimits.TextTooLong;
        }
        limits.Make(result.Length);
        return result.ToString();
    }

    public static string Escape(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal);

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

    private static int FirstSpace(string text)
    {
        for (var i = 0; i < text.Length; i++)
            if (char.IsWhiteSpace(text[i])) return i;
        return -1;
    }

    private static int LastSpace(string text)
    {
        for (var i = text.Length - 1; i >= 0; i--)
            if (char.IsWhiteSpace(text[i])) return i;
        return -1;
    }
}
