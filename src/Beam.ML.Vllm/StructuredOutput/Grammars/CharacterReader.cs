using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>Reads a pattern character by character, with what regular expressions and grammars have in common: alternatives, texts in quotes, escapes and bracketed classes.</summary>
internal sealed class CharacterReader
{
    private readonly int[] _text;
    private readonly string _what;

    /// <param name="text">The text to read.</param>
    /// <param name="what">What it is, for errors.</param>
    public CharacterReader(string text, string what)
    {
        if (text.Length > Limits.TextLength) throw new StructuredOutputException($"The {what} has {text.Length} characters, and {Limits.TextLength} at most are allowed.");
        _text = [.. text.EnumerateRunes().Select(r => r.Value)];
        _what = what;
    }

    public int Position { get; set; }

    /// <summary>How many alternatives within alternatives are being read: 1 outside all groups.</summary>
    public int Nesting { get; private set; }

    public bool AtEnd => Position >= _text.Length;

    /// <summary>The next character, or -1.</summary>
    public int Peek(int ahead = 0) => Position + ahead < _text.Length ? _text[Position + ahead] : -1;

    public int Next() => AtEnd ? throw Error("it ends too early") : _text[Position++];

    public bool TryTake(char c)
    {
        if (Peek() != c) return false;
        Position++;
        return true;
    }

    public bool TryTake(string text)
    {
        for (var i = 0; i < text.Length; i++)
            if (Peek(i) != text[i]) return false;
        Position += text.Length;
        return true;
    }

    public void Expect(char c)
    {
        if (!TryTake(c)) throw Error($"'{c}' is missing");
    }

    /// <summary>Characters up to one of these, which is left.</summary>
    public string TakeUntil(Func<int, bool> stop)
    {
        var start = Position;
        while (!AtEnd && !stop(_text[Position])) Position++;
        return Slice(start, Position);
    }

    /// <summary>A decimal number, or null where there is none.</summary>
    public int? TryNumber()
    {
        if (!char.IsAsciiDigit((char)Math.Max(0, Peek())) || Peek() > '9') return null;
        long value = 0;
        while (Peek() is >= '0' and <= '9')
            if ((value = value * 10 + (Next() - '0')) > Limits.Repetition) throw Error($"a repetition may go up to {Limits.Repetition}");
        return (int)value;
    }

    /// <summary>What is between braces, <c>{m}</c>, <c>{m,}</c>, <c>{,n}</c> or <c>{m,n}</c>; null, and nothing is read, if it is something else.</summary>
    public (int Min, int? Max)? TryCounts()
    {
        var start = Position;
        if (TryTake('{'))
        {
            SkipBlanks();
            var min = TryNumber();
            SkipBlanks();
            var comma = TryTake(',');
            SkipBlanks();
            var max = comma ? TryNumber() : min;
            SkipBlanks();
            if (TryTake('}') && (min ?? max) is not null)
            {
                if (max < min) throw Error($"the repetition {{{min},{max}}} has its bounds in the wrong order");
                return (min ?? 0, max);
            }
        }
        Position = start;
        return null;
    }

    /// <summary>Sequences with bars between them: a whole expression, or what is in a group.</summary>
    /// <param name="readSequence">Reads one, which may have groups in it.</param>
    /// <param name="tryTakeBar">Takes the bar before another sequence, if there is one; by default the next character must be it.</param>
    public Expr ReadAlternatives(Func<Expr> readSequence, Func<bool>? tryTakeBar = null)
    {
        if (++Nesting > Limits.Nesting) throw Error($"groups are nested more than {Limits.Nesting} deep");
        var options = new List<Expr>();
        do options.Add(readSequence());
        while (tryTakeBar?.Invoke() ?? TryTake('|'));
        Nesting--;
        return Expr.Alt(options);
    }

    /// <summary>A text up to a quote, after its opening one, with its escapes resolved; it ends on the line that it began on.</summary>
    public string ReadQuoted(char quote)
    {
        var text = new StringBuilder();
        while (!TryTake(quote))
        {
            if (AtEnd || Peek() == '\n') throw Error("a text in quotes is not closed");
            text.Append(char.ConvertFromUtf32(TryTake('\\') ? ReadEscapedCharacter() : Next()));
        }
        return text.ToString();
    }

    /// <summary>A bracketed class, after its opening bracket.</summary>
    public CodePointSet ReadClass()
    {
        var negated = TryTake('^');
        var ranges = new List<(int, int)>();
        for (var first = true; ; first = false)
        {
            if (AtEnd) throw Error("a '[' is not closed");
            if (!first && TryTake(']')) break;
            if (Peek() == '[' && Peek(1) == ':' && TryPosix() is { } posix)
            {
                ranges.AddRange(posix.Ranges);
                continue;
            }
            if (Peek() == '&' && Peek(1) == '&') throw Error("intersections (&&) of character classes are not supported");
            var low = ReadClassItem(out var set);
            if (set is not null)
            {
                ranges.AddRange(set.Ranges);
                continue;
            }
            var high = low;
            if (Peek() == '-' && Peek(1) is not (']' or -1))
            {
                Position++;
                high = ReadClassItem(out set);
                if (set is not null) throw Error("a range of characters ends in a class");
                if (high < low) throw Error($"the range {Show(low)}-{Show(high)} has its ends in the wrong order");
            }
            ranges.Add((low, high));
        }
        var result = CodePointSet.Of(ranges);
        return negated ? result.Complement() : result;
    }

    /// <summary>An escape, after its backslash, that stands for one character.</summary>
    public int ReadEscapedCharacter()
    {
        var c = Next();
        switch (c)
        {
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'f': return '\f';
            case 'v': return '\v';
            case 'a': return '\a';
            case '0': return 0;
            case 'x': return Peek() == '{' ? BracedHex() : Hex(2);
            case 'u': return Peek() == '{' ? BracedHex() : Surrogates(Hex(4));
            case 'U': return Hex(8);
            case 'c' when char.IsAsciiLetter((char)Math.Max(0, Peek())): return Next() & 0x1F;
            default:
                if (c < 0x80 && char.IsAsciiLetterOrDigit((char)c)) throw Error($"the escape \\{(char)c} is not known");
                return c;
        }
    }

    public StructuredOutputException Error(string problem) =>
        new($"The {_what} cannot be used: {problem}, at character {Position} ({Excerpt()}).");

    public string Slice(int start, int end) => string.Concat(_text[start..end].Select(char.ConvertFromUtf32));

    private static string Show(int point) => point is > ' ' and < 127 ? ((char)point).ToString() : $"U+{point:X4}";

    private void SkipBlanks()
    {
        while (Peek() == ' ') Position++;
    }

    private CodePointSet? TryPosix()
    {
        var start = Position;
        Position += 2;
        var name = TakeUntil(c => c is ':' or ']');
        if (TryTake(":]") && CharacterClasses.OfPosix(name) is { } set) return set;
        Position = start;
        return null;
    }

    private int ReadClassItem(out CodePointSet? set)
    {
        set = null;
        var c = Next();
        if (c != '\\') return c;
        if (Peek() == 'b')
        {
            Position++;
            return '\b';
        }
        set = TryClassEscape();
        return set is null ? ReadEscapedCharacter() : 0;
    }

    /// <summary>After a backslash: <c>\d</c>, <c>\p{L}</c> and such; null, and nothing is read, if it is something else.</summary>
    public CodePointSet? TryClassEscape()
    {
        if (CharacterClasses.OfEscape(Peek()) is { } known)
        {
            Position++;
            return known;
        }
        if (Peek() is not ('p' or 'P')) return null;
        var negated = Next() == 'P';
        string name;
        if (TryTake('{'))
        {
            name = TakeUntil(c => c == '}');
            Expect('}');
        }
        else name = char.ConvertFromUtf32(Next());
        var set = CharacterClasses.OfCategory(name) ?? throw Error($"the character class \\p{{{name}}} is not supported; general categories such as L or Nd are");
        return negated ? set.Complement() : set;
    }

    private int Hex(int digits)
    {
        var start = Position;
        for (var i = 0; i < digits; i++) Next();
        return Parse(Slice(start, Position));
    }

    private int BracedHex()
    {
        Position++;
        var text = TakeUntil(c => c == '}');
        Expect('}');
        return Parse(text);
    }

    private int Parse(string hex) =>
        int.TryParse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= CodePointSet.Last
            ? value
            : throw Error($"'{hex}' is not a character's number");

    private int Surrogates(int first)
    {
        if (first is < 0xD800 or > 0xDFFF) return first;
        if (first <= 0xDBFF && TryTake("\\u"))
        {
            var second = Hex(4);
            if (second is >= 0xDC00 and <= 0xDFFF) return char.ConvertToUtf32((char)first, (char)second);
        }
        throw Error("half of a surrogate pair is not a character");
    }

    private string Excerpt()
    {
        var start = Math.Max(0, Math.Min(Position, _text.Length) - 20);
        var text = Slice(start, Math.Min(_text.Length, start + 40));
        return text.Length == 0 ? "it is empty" : $"'{text.ReplaceLineEnds()}'";
    }
}

internal static class ExcerptText
{
    public static string ReplaceLineEnds(this string text) => text.Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
