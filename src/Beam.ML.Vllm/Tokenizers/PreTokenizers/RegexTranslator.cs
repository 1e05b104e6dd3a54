using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.Tokenizers.PreTokenizers;

/// <summary>
/// Rewrites the regular expressions of tokenizer files (Oniguruma's dialect) for .NET: possessive quantifiers become atomic groups,
/// scripts become ranges, <c>\h</c> and <c>\x{…}</c> become classes and escapes.
/// </summary>
internal static class RegexTranslator
{
    private const int MaxDepth = 64;

    private static readonly Dictionary<string, string> Properties = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Han"] = @"\u2E80-\u2FD5\u3005\u3007\u3021-\u3029\u3038-\u303B\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF",
        ["Hiragana"] = @"\u3041-\u3096\u309D-\u309F",
        ["Katakana"] = @"\u30A1-\u30FA\u30FD-\u30FF\u31F0-\u31FF\u32D0-\u32FE\u3300-\u3357\uFF66-\uFF6F\uFF71-\uFF9D",
        ["Hangul"] = @"\u1100-\u11FF\u302E\u302F\u3131-\u318E\u3200-\u321E\u3260-\u327E\uA960-\uA97C\uAC00-\uD7A3\uD7B0-\uD7FB\uFFA0-\uFFDC",
        ["Latin"] = @"A-Za-z\u00AA\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02B8\u02E0-\u02E4\u1D00-\u1D25\u1E00-\u1EFF\u2C60-\u2C7F\uA722-\uA7FF\uFF21-\uFF3A\uFF41-\uFF5A",
        ["Greek"] = @"\u0370-\u0373\u0375-\u0377\u037A-\u037D\u037F\u0384\u0386\u0388-\u03E1\u03F0-\u03FF\u1F00-\u1FFE",
        ["Cyrillic"] = @"\u0400-\u052F\u1C80-\u1C88\u1D2B\u1D78\u2DE0-\u2DFF\uA640-\uA69F",
        ["Arabic"] = @"\u0600-\u0604\u0606-\u060B\u060D-\u061A\u061C-\u061E\u0620-\u063F\u0641-\u064A\u0656-\u066F\u0671-\u06DC\u06DE-\u06FF\u0750-\u077F\u08A0-\u08FF\uFB50-\uFDFF\uFE70-\uFEFC",
        ["Hebrew"] = @"\u0591-\u05F4\uFB1D-\uFB4F",
        ["Thai"] = @"\u0E01-\u0E3A\u0E40-\u0E5B",
        ["Devanagari"] = @"\u0900-\u0950\u0955-\u0963\u0966-\u097F\uA8E0-\uA8FF",
        ["Letter"] = @"\p{L}", ["Mark"] = @"\p{M}", ["Number"] = @"\p{N}", ["Punctuation"] = @"\p{P}", ["Symbol"] = @"\p{S}",
        ["Separator"] = @"\p{Z}", ["Other"] = @"\p{C}", ["Alphabetic"] = @"\p{L}\p{Nl}\u24B6-\u24E9", ["Alpha"] = @"\p{L}\p{M}", ["Digit"] = @"\p{Nd}",
        ["Upper"] = @"\p{Lu}", ["Uppercase"] = @"\p{Lu}", ["Lower"] = @"\p{Ll}", ["Lowercase"] = @"\p{Ll}", ["Alnum"] = @"\p{L}\p{M}\p{Nd}",
        ["Punct"] = @"\p{P}\p{S}", ["Space"] = @"\s", ["White_Space"] = @"\s", ["Blank"] = @" \t", ["Cntrl"] = @"\p{Cc}", ["XDigit"] = "0-9a-fA-F", ["Word"] = @"\w",
        ["Any"] = @"\s\S",
    };

    public static string Translate(string pattern)
    {
        var output = new StringBuilder(pattern.Length + 16);
        var groups = new Stack<int>();
        var atom = -1;
        for (var i = 0; i < pattern.Length;)
        {
            var c = pattern[i];
            var start = output.Length;
            switch (c)
            {
                case '\\':
                    i = Escape(pattern, i, output, inClass: false);
                    atom = start;
                    break;
                case '[':
                    i = Class(pattern, i, output, 0);
                    atom = start;
                    break;
                case '(':
                    if (groups.Count >= MaxDepth) throw new ArgumentException("it is nested too deeply");
                    groups.Push(start);
                    output.Append(c);
                    i++;
                    if (i < pattern.Length && pattern[i] == '?')
                    {
                        // The syntax after the question mark is none of a quantifier's.
                        output.Append('?');
                        i++;
                    }
                    atom = -1;
                    break;
                case ')':
                    output.Append(c);
                    i++;
                    atom = groups.Count > 0 ? groups.Pop() : -1;
                    break;
                case '*' or '+' or '?' or '{' when atom >= 0 && Quantifier(pattern, i) is > 0 and var length:
                    output.Append(pattern, i, length);
                    i += length;
                    if (i < pattern.Length && pattern[i] == '+' && c != '{')
                    {
                        output.Insert(atom, "(?>").Append(')');
                        i++;
                    }
                    else if (i < pattern.Length && pattern[i] == '?')
                    {
                        output.Append('?');
                        i++;
                    }
                    // What is quantified can be quantified again, as a group.
                    if (i < pattern.Length && pattern[i] is '*' or '+' or '{' && Quantifier(pattern, i) > 0) output.Insert(atom, "(?:").Append(')');
                    else atom = -1;
                    break;
                default:
                    output.Append(c);
                    i++;
                    atom = c == '|' ? -1 : start;
                    break;
            }
        }
        return output.ToString();
    }

    private static int Quantifier(string pattern, int at)
    {
        if (pattern[at] != '{') return 1;
        var end = pattern.IndexOf('}', at);
        return end > at + 1 && pattern.AsSpan(at + 1, end - at - 1).IndexOfAnyExcept("0123456789,") < 0 && char.IsAsciiDigit(pattern[at + 1]) ? end - at + 1 : 0;
    }

    private static int Escape(string pattern, int at, StringBuilder output, bool inClass)
    {
        if (at + 1 >= pattern.Length) throw new ArgumentException("it ends with a backslash");
        var c = pattern[at + 1];
        switch (c)
        {
            case 'p' or 'P' when at + 2 < pattern.Length && pattern[at + 2] == '{':
                return Property(pattern, at, output, inClass);
            case 'h':
                output.Append(inClass ? "0-9a-fA-F" : "[0-9a-fA-F]");
                return at + 2;
            case 'x' or 'u' when at + 2 < pattern.Length && pattern[at + 2] == '{':
                var end = pattern.IndexOf('}', at);
                if (end < 0 || !int.TryParse(pattern.AsSpan(at + 3, end - at - 3), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var point) || point is < 0 or > 0xFFFF)
                    throw new ArgumentException("it has a character code that cannot be read");
                output.Append(CultureInfo.InvariantCulture, $"\\u{point:X4}");
                return end + 1;
            default:
                output.Append(pattern, at, 2);
                return at + 2;
        }
    }

    private static int Property(string pattern, int at, StringBuilder output, bool inClass)
    {
        var end = pattern.IndexOf('}', at);
        if (end < 0) throw new ArgumentException("it has a property without an end");
        var name = pattern[(at + 3)..end].Trim();
        var negated = pattern[at + 1] == 'P';
        if (name.StartsWith('^')) (name, negated) = (name[1..], !negated);
        if (name.IndexOf('=') is >= 0 and var equals) name = name[(equals + 1)..];
        if (!Properties.TryGetValue(name, out var set))
            output.Append(negated ? "\\P{" : "\\p{").Append(name).Append('}');
        else if (!inClass) output.Append(negated ? "[^" : "[").Append(set).Append(']');
        else if (!negated) output.Append(set);
        else if (set.StartsWith("\\p{", StringComparison.Ordinal) && set.IndexOf('}') == set.Length - 1) output.Append("\\P").Append(set, 2, set.Length - 2);
        else throw new ArgumentException($"it has \\P{{{name}}} within a class");
        return end + 1;
    }

    // A class, with nested ones taken in. `a&&b` is written as a without what is not b.
    private static int Class(string pattern, int at, StringBuilder output, int depth)
    {
        if (depth > MaxDepth) throw new ArgumentException("its classes are nested too deeply");
        output.Append('[');
        var i = at + 1;
        if (i < pattern.Length && pattern[i] == '^')
        {
            output.Append('^');
            i++;
        }
        for (var first = true; i < pattern.Length; first = false)
        {
            var c = pattern[i];
            if (c == ']' && !first)
            {
                output.Append(']');
                return i + 1;
            }
            if (c == '\\') i = Escape(pattern, i, output, inClass: true);
            else if (string.CompareOrdinal(pattern, i, "[:", 0, 2) == 0 && pattern.IndexOf(":]", i, StringComparison.Ordinal) is > 0 and var end)
            {
                var name = pattern[(i + 2)..end];
                if (name.StartsWith('^') || !Properties.TryGetValue(name, out var set)) throw new ArgumentException($"it has the class [:{name}:]");
                output.Append(set);
                i = end + 2;
            }
            else if (string.CompareOrdinal(pattern, i, "&&[^", 0, 4) == 0)
            {
                // Intersection with a negated class is subtraction of the class.
                var inner = new StringBuilder();
                i = Class(pattern, i + 2, inner, depth + 1);
                if (i >= pattern.Length || pattern[i] != ']') throw new ArgumentException("it intersects more than two classes");
                output.Append("-[").Append(inner, 2, inner.Length - 2);
            }
            else if (string.CompareOrdinal(pattern, i, "&&", 0, 2) == 0) throw new ArgumentException("it intersects classes");
            else if (c == '[')
            {
                var inner = new StringBuilder();
                i = Class(pattern, i, inner, depth + 1);
                if (inner.Length > 1 && inner[1] == '^') throw new ArgumentException("it has a negated class within a class");
                output.Append(inner, 1, inner.Length - 2);
            }
            else
            {
                output.Append(c);
                i++;
            }
        }
        throw new ArgumentException("it has a class without an end");
    }
}
