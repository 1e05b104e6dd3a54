namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Parses the statements of a template.</summary>
internal sealed class JinjaParser
{
    private readonly JinjaTokenReader _reader;
    private readonly JinjaExpressionParser _expressions;
    private int _loops;

    private JinjaParser(List<JinjaToken> tokens)
    {
        _reader = new JinjaTokenReader(tokens);
        _expressions = new JinjaExpressionParser(_reader);
    }

    public static Statement[] Parse(string source)
    {
        var parser = new JinjaParser(JinjaLexer.Tokenize(source));
        return parser.Body(out _);
    }

    // Statements up to one of the tags given, of which the name has been read; or up to the end, if none is given.
    private Statement[] Body(out string end, params ReadOnlySpan<string> ends)
    {
        _reader.Enter();
        var statements = new List<Statement>();
        while (true)
        {
            var token = _reader.Current;
            switch (token.Kind)
            {
                case TokenKind.Text:
                    _reader.Take();
                    statements.Add(new TextStatement(token.Line, token.Text));
                    break;
                case TokenKind.OutputStart:
                    _reader.Take();
                    statements.Add(new OutputStatement(token.Line, _expressions.ParseTuple()));
                    _reader.ExpectKind(TokenKind.OutputEnd, "the end of the tag");
                    break;
                case TokenKind.BlockStart:
                    _reader.Take();
                    var name = _reader.ExpectName();
                    if (ends.Contains(name))
                    {
                        _reader.Leave();
                        end = name;
                        return [.. statements];
                    }
                    statements.Add(Block(token.Line, name));
                    break;
                default:
                    if (token.Kind != TokenKind.End || ends.Length > 0) throw _reader.Unexpected(ends.Length > 0 ? $"a tag '{ends[^1]}'" : "text or a tag");
                    _reader.Leave();
                    end = "";
                    return [.. statements];
            }
        }
    }

    private Statement[] BodyUntil(string end)
    {
        var body = Body(out _, end);
        EndTag();
        return body;
    }

    private void EndTag() => _reader.ExpectKind(TokenKind.BlockEnd, "the end of the tag");

    private Statement Block(int line, string name)
    {
        switch (name)
        {
            case "if": return If(line);
            case "for": return For(line);
            case "set": return Set(line);
            case "macro": return Macro(line);
            case "call": return Call(line);
            case "with": return With(line);
            case "filter":
                var filters = _expressions.ParseFilterChain();
                EndTag();
                return new FilterStatement(line, filters, BodyUntil("endfilter"));
            case "generation":
                EndTag();
                return new GenerationStatement(line, BodyUntil("endgeneration"));
            case "break" or "continue":
                if (_loops == 0) throw new ChatTemplateException($"line {line}: '{name}' is outside a loop.");
                EndTag();
                return name == "break" ? new BreakStatement(line) : new ContinueStatement(line);
            default:
                throw new ChatTemplateException($"line {line}: the tag '{name}' is unknown here.");
        }
    }

    private IfStatement If(int line)
    {
        var branches = new List<(Expression, Statement[])>();
        Statement[] otherwise = [];
        string end;
        do
        {
            var test = _expressions.ParseTuple(allowConditional: true);
            EndTag();
            branches.Add((test, Body(out end, "elif", "else", "endif")));
        }
        while (end == "elif");
        EndTag();
        if (end == "else") otherwise = BodyUntil("endif");
        return new IfStatement(line, [.. branches], otherwise);
    }

    private ForStatement For(int line)
    {
        var target = _expressions.ParseTarget(allowAttribute: false);
        if (!_reader.TryName("in")) throw _reader.Unexpected("'in'");
        var items = _expressions.ParseTuple(allowConditional: false);
        var filter = _reader.TryName("if") ? _expressions.Parse() : null;
        var recursive = _reader.TryName("recursive");
        EndTag();
        _loops++;
        var body = Body(out var end, "else", "endfor");
        _loops--;
        EndTag();
        return new ForStatement(line, target, items, filter, body, end == "else" ? BodyUntil("endfor") : [], recursive);
    }

    private Statement Set(int line)
    {
        var target = _expressions.ParseTarget(allowAttribute: true);
        if (_reader.TryOperator("="))
        {
            var value = _expressions.ParseTuple();
            EndTag();
            return new SetStatement(line, target, value);
        }
        var filters = _reader.TryOperator("|") ? _expressions.ParseFilterChain() : [];
        EndTag();
        return new SetBlockStatement(line, target, filters, BodyUntil("endset"));
    }

    private MacroStatement Macro(int line)
    {
        var name = _reader.ExpectName();
        var parameters = Parameters();
        EndTag();
        return MacroBody(line, name, parameters, "endmacro");
    }

    private CallStatement Call(int line)
    {
        var parameters = _reader.IsOperator("(") ? Parameters() : [];
        if (_expressions.Parse() is not CallExpression call) throw new ChatTemplateException($"line {line}: a call block needs a call.");
        EndTag();
        return new CallStatement(line, call, MacroBody(line, "caller", parameters, "endcall"));
    }

    private MacroStatement MacroBody(int line, string name, (string, Expression?)[] parameters, string end)
    {
        // A loop around a macro is none of its own, but what it mentions the one around it does as well.
        var (loops, around) = (_loops, _expressions.Mentioned);
        (_loops, _expressions.Mentioned) = (0, MacroExtras.None);
        var macro = new MacroStatement(line, name, parameters, BodyUntil(end), _expressions.Mentioned);
        (_loops, _expressions.Mentioned) = (loops, around | macro.Extras);
        return macro;
    }

    private (string, Expression?)[] Parameters()
    {
        var parameters = new List<(string, Expression?)>();
        _reader.ExpectOperator("(");
        while (!_reader.TryOperator(")"))
        {
            if (parameters.Count > 0)
            {
                _reader.ExpectOperator(",");
                if (_reader.TryOperator(")")) break;
            }
            var name = _reader.ExpectName();
            parameters.Add((name, _reader.TryOperator("=") ? _expressions.Parse() : null));
        }
        return [.. parameters];
    }

    private WithStatement With(int line)
    {
        var assignments = new List<(Expression, Expression)>();
        while (_reader.Current.Kind != TokenKind.BlockEnd)
        {
            if (assignments.Count > 0) _reader.ExpectOperator(",");
            var target = _expressions.ParseTarget(allowAttribute: false);
            _reader.ExpectOperator("=");
            assignments.Add((target, _expressions.Parse()));
        }
        EndTag();
        return new WithStatement(line, [.. assignments], BodyUntil("endwith"));
    }
}
