namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>
/// Reads GBNF, the EBNF of llama.cpp and XGrammar: <c>name ::= alternatives</c>, texts in quotes, classes in brackets, groups, the quantifiers
/// of regular expressions, and comments from <c>#</c> to the end of the line. The rule <c>root</c> is the whole text.
/// </summary>
internal sealed class GbnfParser
{
    private readonly CharacterReader _reader;
    private readonly Grammar _grammar = new();

    private GbnfParser(string text) => _reader = new CharacterReader(text, "grammar");

    public static Grammar Parse(string text) => new GbnfParser(text).Read();

    private Grammar Read()
    {
        for (SkipBlanks(); !_reader.AtEnd; SkipBlanks())
        {
            var name = TryName() ?? throw _reader.Error("a rule (name ::= …) is expected");
            SkipBlanks();
            if (!_reader.TryTake("::=")) throw _reader.Error($"'::=' is missing after '{name}'");
            var rule = _grammar.RuleOf(name);
            if (_grammar.IsDefined(rule)) throw _reader.Error($"the rule '{name}' is defined twice");
            _grammar.Define(rule, ReadAlternatives());
        }
        _grammar.Root = _grammar.RuleOf("root");
        return _grammar.IsDefined(_grammar.Root) ? _grammar : throw _reader.Error("the rule 'root' is missing");
    }

    private Expr ReadAlternatives() => _reader.ReadAlternatives(ReadSequence);

    private Expr ReadSequence()
    {
        var items = new List<Expr>();
        for (SkipBlanks(); !_reader.AtEnd && _reader.Peek() is not ('|' or ')') && !AtRule(); SkipBlanks()) items.Add(ReadQuantifiers(ReadItem()));
        return Expr.Seq(items);
    }

    private Expr ReadItem()
    {
        if (TryName() is { } name) return new RuleExpr(_grammar.RuleOf(name));
        switch (_reader.Next())
        {
            case '"': return Expr.Text(_reader.ReadQuoted('"'));
            case '\'': return Expr.Text(_reader.ReadQuoted('\''));
            case '[': return Expr.Char(_reader.ReadClass());
            case '.': return Expr.AnyChar;
            case '(':
                if (_reader.Peek() == '=') throw _reader.Error("look-ahead is not supported");
                var group = ReadAlternatives();
                if (!_reader.TryTake(')')) throw _reader.Error("a '(' is not closed");
                return group;
            case '<' or '!': throw _reader.Error("references to tokens are not supported");
            default:
                _reader.Position--;
                throw _reader.Error($"'{char.ConvertFromUtf32(_reader.Peek())}' is not expected here");
        }
    }

    private Expr ReadQuantifiers(Expr item)
    {
        for (var count = 0; ; count++)
        {
            if (count == Limits.Nesting) throw _reader.Error("there are too many quantifiers");
            if (_reader.TryTake('*')) item = Expr.Star(item);
            else if (_reader.TryTake('+')) item = Expr.Repeat(item, 1, null);
            else if (_reader.TryTake('?')) item = Expr.Optional(item);
            else if (_reader.Peek() == '{')
            {
                var (min, max) = _reader.TryCounts() ?? throw _reader.Error("a repetition is {m}, {m,} or {m,n}");
                item = Expr.Repeat(item, min, max);
            }
            else return item;
        }
    }

    // A name that '::=' follows starts the next rule.
    private bool AtRule()
    {
        var start = _reader.Position;
        var found = TryName() is not null;
        if (found)
        {
            SkipBlanks();
            found = _reader.TryTake("::=");
        }
        _reader.Position = start;
        return found;
    }

    private string? TryName()
    {
        var start = _reader.Position;
        while (_reader.Peek() is >= 'a' and <= 'z' or >= 'A' and <= 'Z' or >= '0' and <= '9' or '_' or '-') _reader.Position++;
        return _reader.Position > start ? _reader.Slice(start, _reader.Position) : null;
    }

    private void SkipBlanks()
    {
        while (true)
            if (_reader.Peek() is ' ' or '\t' or '\r' or '\n') _reader.Position++;
            else if (_reader.Peek() == '#') _reader.TakeUntil(c => c == '\n');
            else return;
    }
}
