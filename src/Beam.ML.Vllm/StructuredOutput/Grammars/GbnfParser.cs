namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>
/// Reads GBNF, the EBNF of llama.cpp and XGrammar: <c>name ::= alternatives</c>, texts in quotes, classes in brackets, groups, the quantifiers
/// of regular expressions, and comments from <c>#</c> to the end of the line. The rule <c>root</c> is the whole text.
/// </summary>
internal sealed class GbnfParser : ExpressionParser
{
    private readonly Grammar _grammar = new();

    private GbnfParser(string text, WorkBudget work) : base(new CharacterReader(text, "grammar", work), work)
    {
    }

    public static Grammar Parse(string text, WorkBudget work) => new GbnfParser(text, work).Read();

    private Grammar Read()
    {
        for (SkipBlanks(); !Reader.AtEnd; SkipBlanks())
        {
            var name = TryName() ?? throw Reader.Error("a rule (name ::= …) is expected");
            SkipBlanks();
            if (!Reader.TryTake("::=")) throw Reader.Error($"'::=' is missing after '{name}'");
            var rule = _grammar.RuleOf(name);
            if (_grammar.IsDefined(rule)) throw Reader.Error($"the rule '{name}' is defined twice");
            _grammar.Define(rule, ReadAlternatives());
        }
        _grammar.Root = _grammar.RuleOf("root");
        return _grammar.IsDefined(_grammar.Root) ? _grammar : throw Reader.Error("the rule 'root' is missing");
    }

    protected override Expr ReadSequence()
    {
        var items = new List<Expr>();
        for (SkipBlanks(); !Reader.AtEnd && Reader.Peek() is not ('|' or ')') && !AtRule(); SkipBlanks()) items.Add(ReadQuantifiers(ReadItem()));
        return Expr.Seq(items);
    }

    private Expr ReadItem()
    {
        if (TryName() is { } name) return new RuleExpr(_grammar.RuleOf(name));
        switch (Reader.Next())
        {
            case '"': return Expr.Text(Reader.ReadQuoted('"'));
            case '\'': return Expr.Text(Reader.ReadQuoted('\''));
            case '[': return Expr.Char(Reader.ReadClass());
            case '.': return Expr.AnyChar;
            case '(':
                if (Reader.Peek() == '=') throw Reader.Error("look-ahead is not supported");
                var group = ReadAlternatives();
                if (!Reader.TryTake(')')) throw Reader.Error("a '(' is not closed");
                return group;
            case '<' or '!': throw Reader.Error("references to tokens are not supported");
            default:
                Reader.Position--;
                throw Reader.Error($"'{char.ConvertFromUtf32(Reader.Peek())}' is not expected here");
        }
    }

    private Expr ReadQuantifiers(Expr item)
    {
        for (var count = 0; ; count++)
        {
            if (count == Limits.Nesting) throw Reader.Error("there are too many quantifiers");
            if (Reader.TryTake('*')) item = Expr.Star(item);
            else if (Reader.TryTake('+')) item = Expr.Repeat(item, 1, null);
            else if (Reader.TryTake('?')) item = Expr.Optional(item);
            else if (Reader.Peek() == '{')
            {
                var (min, max) = Reader.TryCounts() ?? throw Reader.Error("a repetition is {m}, {m,} or {m,n}");
                item = Expr.Repeat(item, min, max);
            }
            else return item;
        }
    }

    // A name that '::=' follows starts the next rule.
    private bool AtRule()
    {
        var start = Reader.Position;
        var found = TryName() is not null;
        if (found)
        {
            SkipBlanks();
            found = Reader.TryTake("::=");
        }
        Reader.Position = start;
        return found;
    }

    private string? TryName()
    {
        var start = Reader.Position;
        while (Reader.Peek() is >= 'a' and <= 'z' or >= 'A' and <= 'Z' or >= '0' and <= '9' or '_' or '-') Reader.Position++;
        return Reader.Position > start ? Reader.Slice(start, Reader.Position) : null;
    }

    private void SkipBlanks()
    {
        while (true)
            if (Reader.Peek() is ' ' or '\t' or '\r' or '\n') Reader.Position++;
            else if (Reader.Peek() == '#') Reader.TakeUntil(c => c == '\n');
            else return;
    }
}
