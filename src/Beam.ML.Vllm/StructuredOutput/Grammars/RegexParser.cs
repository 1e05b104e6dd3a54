namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>
/// Reads regular expressions: what the dialects of Python, Rust and ECMAScript have in common. Classes such as <c>\d</c> are ASCII. A lazy
/// quantifier is as good as a greedy one, since only the set of texts matters.
/// </summary>
internal sealed class RegexParser
{
    private static readonly CodePointSet Dot = CodePointSet.Of('\n').Complement();

    private readonly CharacterReader _reader;
    private bool _dotAll;

    private RegexParser(string pattern) => _reader = new CharacterReader(pattern, "regular expression");

    /// <param name="pattern">The expression.</param>
    /// <param name="search">Whether a match anywhere in the text will do, as in JSON Schema; else it must be the whole text.</param>
    public static Expr Parse(string pattern, bool search = false)
    {
        var parser = new RegexParser(pattern);
        var expr = parser.ReadAlternatives();
        if (!parser._reader.AtEnd) throw parser._reader.Error("there is a ')' too many");
        return Anchors.Resolve(expr, search);
    }

    private Expr ReadAlternatives() => _reader.ReadAlternatives(ReadSequence);

    private Expr ReadSequence()
    {
        var items = new List<Expr>();
        while (_reader.Peek() is not (-1 or '|' or ')'))
        {
            var item = ReadItem();
            if (item is not null) items.Add(ReadQuantifier(item));
        }
        return Expr.Seq(items);
    }

    private Expr? ReadItem()
    {
        var c = _reader.Next();
        switch (c)
        {
            case '(': return ReadGroup();
            case '[': return Expr.Char(_reader.ReadClass());
            case '.': return Expr.Char(_dotAll ? CodePointSet.All : Dot);
            case '^': return new AnchorExpr(start: true);
            case '$': return new AnchorExpr(start: false);
            case '\\': return ReadEscape();
            case '*' or '+' or '?':
                throw _reader.Error($"'{(char)c}' has nothing before it to repeat");
            default: return Expr.Char(CodePointSet.Of(c));
        }
    }

    private Expr? ReadGroup()
    {
        if (_reader.TryTake('?'))
        {
            if (_reader.TryTake("s)"))
            {
                _dotAll = true;
                return null;
            }
            if (_reader.TryTake("P<") || (_reader.Peek() == '<' && _reader.Peek(1) is not ('=' or '!') && _reader.TryTake('<')))
            {
                _reader.TakeUntil(c => c == '>');
                _reader.Expect('>');
            }
            else if (!_reader.TryTake(':')) throw _reader.Error(_reader.Peek() switch
            {
                '=' or '!' or '<' => "look-ahead and look-behind are not supported",
                '>' => "atomic groups are not supported",
                '#' => "comments are not supported",
                _ => "inline flags, conditions and named references are not supported",
            });
        }
        var group = ReadAlternatives();
        if (!_reader.TryTake(')')) throw _reader.Error("a '(' is not closed");
        return group;
    }

    private Expr ReadEscape()
    {
        if (_reader.TryClassEscape() is { } set) return Expr.Char(set);
        switch (_reader.Peek())
        {
            case 'b' or 'B': throw _reader.Error("word boundaries (\\b) are not supported");
            case >= '1' and <= '9' or 'k' or 'g': throw _reader.Error("back-references are not supported");
            case 'A':
                _reader.Next();
                return new AnchorExpr(start: true);
            case 'z' or 'Z':
                _reader.Next();
                return new AnchorExpr(start: false);
            default:
                return Expr.Char(CodePointSet.Of(_reader.ReadEscapedCharacter()));
        }
    }

    private Expr ReadQuantifier(Expr item)
    {
        (int Min, int? Max) counts;
        if (_reader.TryTake('*')) counts = (0, null);
        else if (_reader.TryTake('+')) counts = (1, null);
        else if (_reader.TryTake('?')) counts = (0, 1);
        else if (_reader.TryCounts() is { } given) counts = given;
        else return item;
        if (item is AnchorExpr) throw _reader.Error("^ and $ cannot be repeated");
        if (!_reader.TryTake('?') && _reader.Peek() == '+') throw _reader.Error("possessive quantifiers are not supported");
        if (_reader.Peek() is '*' or '+' or '?') throw _reader.Error("a quantifier follows another");
        return Expr.Repeat(item, counts.Min, counts.Max);
    }
}
