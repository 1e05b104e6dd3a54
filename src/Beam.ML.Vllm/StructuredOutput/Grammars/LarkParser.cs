using System.Text.RegularExpressions;

namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>
/// Reads simple grammars in Lark's form: rules (<c>name: …</c>) and terminals (<c>NAME: …</c>), texts in quotes, regular expressions between
/// slashes, ranges, groups, optional parts in brackets and the usual quantifiers. The rule <c>start</c> is the whole text. White space
/// between parts is not free: what <c>%ignore</c> would skip has to be written out.
/// </summary>
internal sealed partial class LarkParser : ExpressionParser
{
    private static readonly Dictionary<string, string> Common = new(StringComparer.Ordinal)
    {
        ["DIGIT"] = "[0-9]",
        ["INT"] = "[0-9]+",
        ["SIGNED_INT"] = "[+-]?[0-9]+",
        ["DECIMAL"] = @"[0-9]+\.[0-9]*|\.[0-9]+",
        ["NUMBER"] = @"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?",
        ["SIGNED_NUMBER"] = @"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?",
        ["LETTER"] = "[A-Za-z]",
        ["WORD"] = "[A-Za-z]+",
        ["CNAME"] = "[A-Za-z_][A-Za-z_0-9]*",
        ["ESCAPED_STRING"] = "\"(?:[^\"\\\\\\n]|\\\\.)*\"",
        ["WS"] = @"[ \t\f\r\n]+",
        ["WS_INLINE"] = @"[ \t]+",
        ["NEWLINE"] = @"(?:\r?\n)+",
    };

    private readonly Grammar _grammar = new();

    private LarkParser(string text, WorkBudget work) : base(new CharacterReader(text, "Lark grammar", work), work)
    {
    }

    /// <summary>Whether a grammar is in this form: it defines its rules by a colon, and none by <c>::=</c>.</summary>
    public static bool IsLark(string text) => !text.Contains("::=", StringComparison.Ordinal) && Definition().IsMatch(text);

    public static Grammar Parse(string text, WorkBudget work) => new LarkParser(text, work).Read();

    [GeneratedRegex(@"^[ \t]*[?!]{0,2}[A-Za-z_][A-Za-z_0-9]*(\.-?\d+)?[ \t]*:", RegexOptions.Multiline | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Definition();

    private Grammar Read()
    {
        for (SkipBlanks(newLines: true); !Reader.AtEnd; SkipBlanks(newLines: true))
        {
            if (Reader.TryTake('%'))
            {
                ReadDirective();
                continue;
            }
            while (Reader.Peek() is '?' or '!') Reader.Position++;
            var name = TryName() ?? throw Reader.Error("a rule (name: …) is expected");
            if (Reader.TryTake('.')) Reader.TryNumber();
            SkipBlanks(newLines: false);
            if (Reader.Peek() == '{') throw Reader.Error("templates are not supported");
            Reader.Expect(':');
            var rule = _grammar.RuleOf(name);
            if (_grammar.IsDefined(rule)) throw Reader.Error($"the rule '{name}' is defined twice");
            _grammar.Define(rule, ReadOptions());
        }
        _grammar.Root = _grammar.RuleOf("start");
        return _grammar.IsDefined(_grammar.Root) ? _grammar : throw Reader.Error("the rule 'start' is missing");
    }

    private void ReadDirective()
    {
        if (!Reader.TryTake("import")) throw Reader.Error("of the directives only %import common.NAME is supported: write out what %ignore would skip");
        SkipBlanks(newLines: false);
        var known = Reader.TryTake("common.") ? TryName() : null;
        if (known is null || !Common.TryGetValue(known, out var pattern)) throw Reader.Error("only terminals such as common.INT, common.NUMBER, common.WORD and common.WS can be imported");
        SkipBlanks(newLines: false);
        var name = known;
        if (Reader.TryTake("->"))
        {
            SkipBlanks(newLines: false);
            name = TryName() ?? throw Reader.Error("a name is missing after '->'");
        }
        _grammar.Define(_grammar.RuleOf(name), RegexParser.Parse(pattern, Work));
    }

    // The first alternative may have a bar before it too.
    private Expr ReadOptions()
    {
        Reader.TryTake('|');
        return ReadAlternatives();
    }

    // An alternative may stand on a line of its own.
    protected override bool TryTakeBar()
    {
        var start = Reader.Position;
        SkipBlanks(newLines: true);
        if (Reader.TryTake('|')) return true;
        if (Nesting == 1) Reader.Position = start;
        return false;
    }

    protected override Expr ReadSequence()
    {
        var items = new List<Expr>();
        while (true)
        {
            SkipBlanks(newLines: Nesting > 1);
            if (Reader.TryTake("->")) SkipAlias();
            if (Reader.AtEnd || Reader.Peek() is '|' or ')' or ']' or '\n' or '\r') return Expr.Seq(items);
            items.Add(ReadQuantifier(ReadItem()));
        }
    }

    private void SkipAlias()
    {
        SkipBlanks(newLines: false);
        _ = TryName();
        SkipBlanks(newLines: false);
    }

    private Expr ReadItem()
    {
        if (TryName() is { } name) return new RuleExpr(_grammar.RuleOf(name));
        switch (Reader.Next())
        {
            case '"': return ReadText('"');
            case '\'': return ReadText('\'');
            case '/': return ReadRegex();
            case '(': return ReadGroup(')');
            case '[': return Expr.Optional(ReadGroup(']'));
            default:
                Reader.Position--;
                throw Reader.Error($"'{char.ConvertFromUtf32(Reader.Peek())}' is not expected here");
        }
    }

    private Expr ReadGroup(char end)
    {
        var group = ReadOptions();
        SkipBlanks(newLines: true);
        Reader.Expect(end);
        return group;
    }

    private Expr ReadText(char quote)
    {
        var text = Reader.ReadQuoted(quote);
        if (Reader.Peek() == 'i') throw Reader.Error("texts without regard to case (\"…\"i) are not supported");
        if (!Reader.TryTake("..")) return Expr.Text(text);
        if (!Reader.TryTake(quote)) throw Reader.Error("a range of characters has no end");
        var last = Reader.ReadQuoted(quote);
        var (low, high) = (OneRune(text), OneRune(last));
        return low <= high ? Expr.Char(CodePointSet.Of((low, high))) : throw Reader.Error("a range of characters has its ends in the wrong order");
    }

    private int OneRune(string text) => text.EnumerateRunes().ToArray() is [var rune] ? rune.Value : throw Reader.Error("the ends of a range are one character each");

    private Expr ReadRegex()
    {
        var start = Reader.Position;
        while (Reader.Peek() is not ('/' or '\n' or -1)) Reader.Position += Reader.Peek() == '\\' ? 2 : 1;
        if (Reader.Peek() != '/') throw Reader.Error("a regular expression between slashes is not closed");
        var pattern = Reader.Slice(start, Reader.Position);
        Reader.Position++;
        if (Reader.Peek() is >= 'a' and <= 'z') throw Reader.Error("flags of regular expressions are not supported");
        return RegexParser.Parse(pattern, Work);
    }

    private Expr ReadQuantifier(Expr item)
    {
        if (Reader.TryTake('*')) return Expr.Star(item);
        if (Reader.TryTake('+')) return Expr.Repeat(item, 1, null);
        if (Reader.TryTake('?')) return Expr.Optional(item);
        var start = Reader.Position;
        SkipBlanks(newLines: false);
        if (!Reader.TryTake('~'))
        {
            Reader.Position = start;
            return item;
        }
        SkipBlanks(newLines: false);
        var min = Reader.TryNumber() ?? throw Reader.Error("a number is missing after '~'");
        var max = Reader.TryTake("..") ? Reader.TryNumber() : min;
        return max >= min ? Expr.Repeat(item, min, max) : throw Reader.Error("a repetition is ~m or ~m..n");
    }

    private string? TryName()
    {
        var start = Reader.Position;
        while (Reader.Peek() is >= 'a' and <= 'z' or >= 'A' and <= 'Z' or >= '0' and <= '9' or '_') Reader.Position++;
        return Reader.Position > start ? Reader.Slice(start, Reader.Position) : null;
    }

    private void SkipBlanks(bool newLines)
    {
        while (true)
            if (Reader.Peek() is ' ' or '\t' || (newLines && Reader.Peek() is '\r' or '\n')) Reader.Position++;
            else if (Reader.Peek() == '#' || (Reader.Peek() == '/' && Reader.Peek(1) == '/')) Reader.TakeUntil(c => c == '\n');
            else return;
    }
}
