using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <content>Texts in quotes, escapes and classes of characters.</content>
internal sealed partial class CharacterReader
{
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
        _work.Charge(ranges.Count);
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
            case 'x': return Peek() == '{' ? Whole(BracedHex()) : Hex(2);
            case 'u': return Peek() == '{' ? Whole(BracedHex()) : Surrogates(Hex(4));
            case 'U': return Whole(Hex(8));
            case 'c' when char.IsAsciiLetter((char)Math.Max(0, Peek())): return Next() & 0x1F;
            default:
                if (c < 0x80 && char.IsAsciiLetterOrDigit((char)c)) throw Error($"the escape \\{(char)c} is not known");
                return c;
        }
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
        var set = CharacterClasses.OfCategory(name, negated) ?? throw Error($"the character class \\p{{{name}}} is not supported; general categories such as L or Nd are");
        _work.Charge(set.Ranges.Length);
        return set;
    }

    private static string Show(int point) => point is > ' ' and < 127 ? ((char)point).ToString() : $"U+{point:X4}";

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

    private int Whole(int point) => Rune.IsValid(point) ? point : throw Error("half of a surrogate pair is not a character");

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
}
