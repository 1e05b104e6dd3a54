namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>
/// Reads regular expressions: what the dialects of Python, Rust and ECMAScript have in common. Classes such as <c>\d</c> are ASCII. A lazy
/// quantifier is as good as a greedy one, since only the set of texts matters.
/// </summary>
internal sealed class RegexParser : ExpressionParser
{
    private static readonly CodePointSet Dot = CodePointSet.Of('\n').Complement();

    private bool _dotAll;

    private RegexParser(string pattern, WorkBudget work) : base(new CharacterReader(pattern, "regular expression", work), work)
    {
    }

    /// <param name="pattern">The expression.</param>
    /// <param name="work">What reading it is charged to.</param>
    /// <param name="search">Whether a match anywhere in the text will do, as in JSON Schema; else it must be the whole text.</param>
    public static Expr Parse(string pattern, WorkBudget work, bool search = false)
    {
        var parser = new RegexParser(pattern, work);
        var expr = parser.ReadAlternatives();
        if (!parser.Reader.AtEnd) throw parser.Reader.Error("there is a ')' too many");
        return Anchors.Resolve(expr, search, work);
    }

    protected override Expr ReadSequence()
    {
        var items = new List<Expr>();
        while (Reader.Peek() is not (-1 or '|' or ')'))
        {
            var item = ReadItem();
            if (item is not null) items.Add(ReadQuantifier(item));
        }
        return Expr.Seq(items);
    }

    private Expr? ReadItem()
    {
        var c = Reader.Next();
        switch (c)
        {
            case '(': return ReadGroup();
            case '[': return Expr.Char(Reader.ReadClass());
            case '.': return Expr.Char(_dotAll ? CodePointSet.All : Dot);
            case '^': return new AnchorExpr(start: true);
            case '$': return new AnchorExpr(start: false);
            case '\\': return ReadEscape();
            case '*' or '+' or '?':
                throw Reader.Error($"'{(char)c}' has nothing before it to repeat");
            default: return Expr.Char(CodePointSet.Of(c));
        }
    }

    private Expr? ReadGroup()
    {
        if (Reader.TryTake('?'))
        {
            if (Reader.TryTake("s)"))
            {
                _dotAll = true;
                return null;
            }
            if (Reader.TryTake("P<") || (Reader.Peek() == '<' && Reader.Peek(1) is not ('=' or '!') && Reader.TryTake('<')))
            {
                Reader.TakeUntil(c => c == '>');
                Reader.Expect('>');
            }
            else if (!Reader.TryTake(':')) throw Reader.Error(Reader.Peek() switch
            {
                '=' or '!' or '<' => "look-ahead and look-behind are not supported",
                '>' => "atomic groups are not supported",
                '#' => "comments are not supported",
                _ => "inline flags, conditions and named references are not supported",
            });
        }
        var group = ReadAlternatives();
        if (!Reader.TryTake(')')) throw Reader.Error("a '(' is not closed");
        return group;
    }

    private Expr ReadEscape()
    {
        if (Reader.TryClassEscape() is { } set) return Expr.Char(set);
        switch (Reader.Peek())
        {
            case 'b' or 'B': throw Reader.Error("word boundaries (\\b) are not supported");
            case >= '1' and <= '9' or 'k' or 'g': throw Reader.Error("back-references are not supported");
            case 'A':
                Reader.Next();
                return new AnchorExpr(start: true);
            case 'z' or 'Z':
                Reader.Next();
                return new AnchorExpr(start: false);
            default:
                return Expr.Char(CodePointSet.Of(Reader.ReadEscapedCharacter()));
        }
    }

    private Expr ReadQuantifier(Expr item)
    {
        (int Min, int? Max) counts;
        if (Reader.TryTake('*')) counts = (0, null);
        else if (Reader.TryTake('+')) counts = (1, null);
        else if (Reader.TryTake('?')) counts = (0, 1);
        else if (Reader.TryCounts() is { } given) counts = given;
        else return item;
        if (item is AnchorExpr) throw Reader.Error("^ and $ cannot be repeated");
        if (!Reader.TryTake('?') && Reader.Peek() == '+') throw Reader.Error("possessive quantifiers are not supported");
        if (Reader.Peek() is '*' or '+' or '?') throw Reader.Error("a quantifier follows another");
        return Expr.Repeat(item, counts.Min, counts.Max);
    }
}
