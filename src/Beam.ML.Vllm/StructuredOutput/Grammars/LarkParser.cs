using System.Text.RegularExpressions;

namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>
/// Reads simple grammars in Lark's form: rules (<c>name: …</c>) and terminals (<c>NAME: …</c>), texts in quotes, regular expressions between
/// slashes, ranges, groups, optional parts in brackets and the usual quantifiers. The rule <c>start</c> is the whole text. White space
/// between parts is not free: what <c>%ignore</c> would skip has to be written out.
/// </summary>
internal sealed partial class LarkParser
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

    private readonly CharacterReader _reader;
    private readonly Grammar _grammar = new();

    private LarkParser(string text) => _reader = new CharacterReader(text, "Lark grammar");

    /// <summary>Whether a grammar is in this form: it defines its rules by a colon, and none by <c>::=</c>.</summary>
    public static bool IsLark(string text) => !text.Contains("::=", StringComparison.Ordinal) && Definition().IsMatch(text);

    public static Grammar Parse(string text) => new LarkParser(text).Read();

    [GeneratedRegex(@"^[ \t]*[?!]{0,2}[A-Za-z_][A-Za-z_0-9]*(\.-?\d+)?[ \t]*:", RegexOptions.Multiline | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Definition();

    private Grammar Read()
    {
        for (SkipBlanks(newLines: true); !_reader.AtEnd; SkipBlanks(newLines: true))
        {
            if (_reader.TryTake('%'))
            {
                ReadDirective();
                continue;
            }
            while (_reader.Peek() is '?' or '!') _reader.Position++;
            var name = TryName() ?? throw _reader.Error("a rule (name: …) is expected");
            if (_reader.TryTake('.')) _reader.TryNumber();
            SkipBlanks(newLines: false);
            if (_reader.Peek() == '{') throw _reader.Error("templates are not supported");
            _reader.Expect(':');
            var rule = _grammar.RuleOf(name);
            if (_grammar.IsDefined(rule)) throw _reader.Error($"the rule '{name}' is defined twice");
            _grammar.Define(rule, ReadAlternatives());
        }
        _grammar.Root = _grammar.RuleOf("start");
        return _grammar.IsDefined(_grammar.Root) ? _grammar : throw _reader.Error("the rule 'start' is missing");
    }

    private void ReadDirective()
    {
        if (!_reader.TryTake("import")) throw _reader.Error("of the directives only %import common.NAME is supported: write out what %ignore would skip");
        SkipBlanks(newLines: false);
        var known = _reader.TryTake("common.") ? TryName() : null;
        if (known is null || !Common.TryGetValue(known, out var pattern)) throw _reader.Error("only terminals such as common.INT, common.NUMBER, common.WORD and common.WS can be imported");
        SkipBlanks(newLines: false);
        var name = known;
        if (_reader.TryTake("->"))
        {
            SkipBlanks(newLines: false);
            name = TryName() ?? throw _reader.Error("a name is missing after '->'");
        }
        _grammar.Define(_grammar.RuleOf(name), RegexParser.Parse(pattern));
    }

    private Expr ReadAlternatives()
    {
        _reader.TryTake('|');
        return _reader.ReadAlternatives(ReadSequence, TryTakeBar);
    }

    // An alternative may stand on a line of its own.
    private bool TryTakeBar()
    {
        var start = _reader.Position;
        SkipBlanks(newLines: true);
        if (_reader.TryTake('|')) return true;
        if (_reader.Nesting == 1) _reader.Position = start;
        return false;
    }

    private Expr ReadSequence()
    {
        var items = new List<Expr>();
        while (true)
        {
            SkipBlanks(newLines: _reader.Nesting > 1);
            if (_reader.TryTake("->")) SkipAlias();
            if (_reader.AtEnd || _reader.Peek() is '|' or ')' or ']' or '\n' or '\r') return Expr.Seq(items);
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
        switch (_reader.Next())
        {
            case '"': return ReadText('"');
            case '\'': return ReadText('\'');
            case '/': return ReadRegex();
            case '(': return ReadGroup(')');
            case '[': return Expr.Optional(ReadGroup(']'));
            default:
                _reader.Position--;
                throw _reader.Error($"'{char.ConvertFromUtf32(_reader.Peek())}' is not expected here");
        }
    }

    private Expr ReadGroup(char end)
    {
        var group = ReadAlternatives();
        SkipBlanks(newLines: true);
        _reader.Expect(end);
        return group;
    }

    private Expr ReadText(char quote)
    {
        var text = _reader.ReadQuoted(quote);
        if (_reader.Peek() == 'i') throw _reader.Error("texts without regard to case (\"…\"i) are not supported");
        if (!_reader.TryTake("..")) return Expr.Text(text);
        if (!_reader.TryTake(quote)) throw _reader.Error("a range of characters has no end");
        var last = _reader.ReadQuoted(quote);
        var (low, high) = (OneRune(text), OneRune(last));
        return low <= high ? Expr.Char(CodePointSet.Of((low, high))) : throw _reader.Error("a range of characters has its ends in the wrong order");
    }

    private int OneRune(string text) => text.EnumerateRunes().ToArray() is [var rune] ? rune.Value : throw _reader.Error("the ends of a range are one character each");

    private Expr ReadRegex()
    {
        var start = _reader.Position;
        while (_reader.Peek() is not ('/' or '\n' or -1)) _reader.Position += _reader.Peek() == '\\' ? 2 : 1;
        if (_reader.Peek() != '/') throw _reader.Error("a regular expression between slashes is not closed");
        var pattern = _reader.Slice(start, _reader.Position);
        _reader.Position++;
        if (_reader.Peek() is >= 'a' and <= 'z') throw _reader.Error("flags of regular expressions are not supported");
        return RegexParser.Parse(pattern);
    }

    private Expr ReadQuantifier(Expr item)
    {
        if (_reader.TryTake('*')) return Expr.Star(item);
        if (_reader.TryTake('+')) return Expr.Repeat(item, 1, null);
        if (_reader.TryTake('?')) return Expr.Optional(item);
        var start = _reader.Position;
        SkipBlanks(newLines: false);
        if (!_reader.TryTake('~'))
        {
            _reader.Position = start;
            return item;
        }
        SkipBlanks(newLines: false);
        var min = _reader.TryNumber() ?? throw _reader.Error("a number is missing after '~'");
        var max = _reader.TryTake("..") ? _reader.TryNumber() : min;
        return max >= min ? Expr.Repeat(item, min, max) : throw _reader.Error("a repetition is ~m or ~m..n");
    }

    private string? TryName()
    {
        var start = _reader.Position;
        while (_reader.Peek() is >= 'a' and <= 'z' or >= 'A' and <= 'Z' or >= '0' and <= '9' or '_') _reader.Position++;
        return _reader.Position > start ? _reader.Slice(start, _reader.Position) : null;
    }

    private void SkipBlanks(bool newLines)
    {
        while (true)
            if (_reader.Peek() is ' ' or '\t' || (newLines && _reader.Peek() is '\r' or '\n')) _reader.Position++;
            else if (_reader.Peek() == '#' || (_reader.Peek() == '/' && _reader.Peek(1) == '/')) _reader.TakeUntil(c => c == '\n');
            else return;
    }
}
