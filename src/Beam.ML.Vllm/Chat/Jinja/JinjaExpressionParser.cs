namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Parses expressions, by Jinja's precedence: conditional, or, and, not, comparison, + -, ~, * / // %, **, unary, postfix and filters.</summary>
internal sealed class JinjaExpressionParser(JinjaTokenReader reader)
{
    /// <summary>What was mentioned so far of the arguments that only a macro has which mentions them.</summary>
    public MacroExtras Mentioned { get; set; }

    public Expression Parse(bool allowConditional = true)
    {
        reader.Enter();
        try
        {
            return allowConditional ? Conditional() : Or();
        }
        finally
        {
            reader.Leave();
        }
    }

    /// <summary>Parses one expression, or several set apart by commas as a tuple.</summary>
    public Expression ParseTuple(bool allowConditional = true)
    {
        var line = reader.Line;
        var first = Parse(allowConditional);
        if (!reader.IsOperator(",")) return first;
        var items = new List<Expression> { first };
        while (reader.TryOperator(",") && StartsExpression()) items.Add(Parse(allowConditional));
        return new TupleExpression(line, [.. items]);
    }

    /// <summary>Parses what can be assigned to: a name, a namespace's attribute, or several as a tuple.</summary>
    public Expression ParseTarget(bool allowAttribute)
    {
        var line = reader.Line;
        var parens = reader.TryOperator("(");
        var targets = new List<Expression> { One() };
        var isTuple = false;
        while (reader.TryOperator(","))
        {
            isTuple = true;
            if (reader.Current.Kind == TokenKind.Name && !reader.IsName("in")) targets.Add(One());
            else break;
        }
        if (parens) reader.ExpectOperator(")");
        return isTuple ? new TupleExpression(line, [.. targets]) : targets[0];

        Expression One()
        {
            if (reader.IsOperator("(")) return Nested();
            var name = new Name(reader.Line, reader.ExpectName());
            if (name.Id is "true" or "false" or "none" or "True" or "False" or "None") throw new ChatTemplateException($"line {name.Line}: cannot assign to '{name.Id}'.");
            return allowAttribute && reader.TryOperator(".") ? new AttributeExpression(name.Line, name, reader.ExpectName()) : name;
        }

        Expression Nested()
        {
            reader.Enter();
            var target = ParseTarget(allowAttribute);
            reader.Leave();
            return target;
        }
    }

    /// <summary>Parses a chain of filters without a target: <c>upper | trim</c>.</summary>
    public FilterCall[] ParseFilterChain()
    {
        var filters = new List<FilterCall>();
        do filters.Add(Filter());
        while (reader.TryOperator("|"));
        return [.. filters];
    }

    private Expression Conditional()
    {
        var value = Or();
        while (reader.IsName("if"))
        {
            var line = reader.Take().Line;
            var test = Or();
            var otherwise = reader.TryName("else") ? Parse() : null;
            value = new ConditionalExpression(line, test, value, otherwise);
        }
        return value;
    }

    private Expression Or()
    {
        var left = And();
        while (reader.IsName("or")) left = new OrExpression(reader.Take().Line, left, And());
        return left;
    }

    private Expression And()
    {
        var left = Not();
        while (reader.IsName("and")) left = new AndExpression(reader.Take().Line, left, Not());
        return left;
    }

    private Expression Not()
    {
        if (!reader.IsName("not")) return Compare();
        reader.Enter();
        var not = new UnaryExpression(reader.Take().Line, "not", Not());
        reader.Leave();
        return not;
    }

    private Expression Compare()
    {
        var line = reader.Line;
        var first = Sum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            string op;
            if (reader.Current is { Kind: TokenKind.Operator, Text: "==" or "!=" or "<" or "<=" or ">" or ">=" }) op = reader.Take().Text;
            else if (reader.TryName("in")) op = "in";
            else if (reader.IsName("not") && reader.Peek is { Kind: TokenKind.Name, Text: "in" })
            {
                reader.Take();
                reader.Take();
                op = "not in";
            }
            else break;
            rest.Add((op, Sum()));
        }
        return rest.Count == 0 ? first : new CompareExpression(line, first, [.. rest]);
    }

    private Expression Sum()
    {
        var left = Concat();
        while (reader.Current is { Kind: TokenKind.Operator, Text: "+" or "-" }) left = new BinaryExpression(reader.Line, reader.Take().Text, left, Concat());
        return left;
    }

    private Expression Concat()
    {
        var line = reader.Line;
        var first = Product();
        if (!reader.IsOperator("~")) return first;
        var parts = new List<Expression> { first };
        while (reader.TryOperator("~")) parts.Add(Product());
        return new ConcatExpression(line, [.. parts]);
    }

    private Expression Product()
    {
        var left = Power();
        while (reader.Current is { Kind: TokenKind.Operator, Text: "*" or "/" or "//" or "%" }) left = new BinaryExpression(reader.Line, reader.Take().Text, left, Power());
        return left;
    }

    private Expression Power()
    {
        var left = Unary();
        while (reader.IsOperator("**")) left = new BinaryExpression(reader.Line, reader.Take().Text, left, Unary());
        return left;
    }

    private Expression Unary(bool withFilter = true)
    {
        var line = reader.Line;
        Expression value;
        if (reader.Current is { Kind: TokenKind.Operator, Text: "-" or "+" })
        {
            reader.Enter();
            value = new UnaryExpression(line, reader.Take().Text, Unary(withFilter: false));
            reader.Leave();
        }
        else value = Primary();
        value = Postfix(value);
        return withFilter ? FiltersAndTests(value) : value;
    }

    private Expression Primary()
    {
        var token = reader.Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                reader.Take();
                Mentioned |= token.Text switch { "varargs" => MacroExtras.Varargs, "kwargs" => MacroExtras.Kwargs, _ => MacroExtras.None };
                return token.Text switch
                {
                    "true" or "True" => new Constant(token.Line, true),
                    "false" or "False" => new Constant(token.Line, false),
                    "none" or "None" => new Constant(token.Line, JinjaNone.Value),
                    _ => new Name(token.Line, token.Text),
                };
            case TokenKind.String:
                var literals = new List<string>();
                while (reader.Current.Kind == TokenKind.String) literals.Add((string)reader.Take().Value!);
                return new Constant(token.Line, string.Concat(literals));
            case TokenKind.Integer or TokenKind.Float:
                reader.Take();
                return new Constant(token.Line, token.Value!);
            case TokenKind.Operator when token.Text == "(":
                reader.Take();
                if (reader.TryOperator(")")) return new TupleExpression(token.Line, []);
                var inner = ParseTuple();
                reader.ExpectOperator(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                reader.Take();
                return new ListExpression(token.Line, Items("]"));
            case TokenKind.Operator when token.Text == "{":
                reader.Take();
                return Dict(token.Line);
            default:
                throw reader.Unexpected("an expression");
        }
    }

    private Expression[] Items(string end)
    {
        var items = new List<Expression>();
        while (!reader.TryOperator(end))
        {
            if (items.Count > 0)
            {
                reader.ExpectOperator(",");
                if (reader.TryOperator(end)) break;
            }
            items.Add(Parse());
        }
        return [.. items];
    }

    private DictExpression Dict(int line)
    {
        var items = new List<(Expression, Expression)>();
        while (!reader.TryOperator("}"))
        {
            if (items.Count > 0)
            {
                reader.ExpectOperator(",");
                if (reader.TryOperator("}")) break;
            }
            var key = Parse();
            reader.ExpectOperator(":");
            items.Add((key, Parse()));
        }
        return new DictExpression(line, [.. items]);
    }

    private Expression Postfix(Expression value)
    {
        while (true)
        {
            var line = reader.Line;
            if (reader.TryOperator("."))
                value = reader.Current.Kind == TokenKind.Integer
                    ? new IndexExpression(line, value, new Constant(line, reader.Take().Value!))
                    : new AttributeExpression(line, value, reader.ExpectName());
            else if (reader.TryOperator("["))
            {
                value = new IndexExpression(line, value, Subscript());
                reader.ExpectOperator("]");
            }
            else if (reader.IsOperator("(")) value = new CallExpression(line, value, CallArguments());
            else return value;
        }
    }

    private Expression Subscript()
    {
        var line = reader.Line;
        Expression? start = null;
        if (!reader.IsOperator(":"))
        {
            start = ParseTuple();
            if (!reader.IsOperator(":")) return start;
        }
        reader.ExpectOperator(":");
        var stop = reader.IsOperator(":") || reader.IsOperator("]") ? null : Parse();
        var step = reader.TryOperator(":") && !reader.IsOperator("]") ? Parse() : null;
        return new SliceExpression(line, start, stop, step);
    }

    private Arguments CallArguments()
    {
        reader.ExpectOperator("(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        Expression? spread = null, namedSpread = null;
        for (var first = true; !reader.TryOperator(")"); first = false)
        {
            if (!first)
            {
                reader.ExpectOperator(",");
                if (reader.TryOperator(")")) break;
            }
            if (reader.TryOperator("**")) namedSpread = Parse();
            else if (reader.TryOperator("*")) spread = Parse();
            else if (reader.Current.Kind == TokenKind.Name && reader.Peek is { Kind: TokenKind.Operator, Text: "=" })
            {
                var name = reader.Take().Text;
                reader.Take();
                named.Add((name, Parse()));
            }
            else positional.Add(Parse());
        }
        return new Arguments([.. positional], [.. named], spread, namedSpread);
    }

    private Expression FiltersAndTests(Expression value)
    {
        while (true)
        {
            if (reader.TryOperator("|")) value = new FilterExpression(reader.Line, value, Filter());
            else if (reader.IsName("is")) value = Test(value);
            else if (reader.IsOperator("(")) value = new CallExpression(reader.Line, value, CallArguments());
            else return value;
        }
    }

    private FilterCall Filter()
    {
        var line = reader.Line;
        var names = new List<string> { reader.ExpectName() };
        while (reader.TryOperator(".")) names.Add(reader.ExpectName());
        return new FilterCall(line, string.Join('.', names), reader.IsOperator("(") ? CallArguments() : Arguments.None);
    }

    private TestExpression Test(Expression target)
    {
        var line = reader.Take().Line;
        var negated = reader.TryName("not");
        var name = reader.ExpectName();
        var arguments = Arguments.None;
        if (reader.IsOperator("(")) arguments = CallArguments();
        else if (StartsExpression() && !reader.IsName("else") && !reader.IsName("or") && !reader.IsName("and") && !reader.IsName("if") &&
            !reader.IsName("in") && !reader.IsName("not"))
        {
            if (reader.IsName("is")) throw reader.Unexpected("one test");
            arguments = new Arguments([Postfix(Primary())], [], null, null);
        }
        return new TestExpression(line, target, name, arguments, negated);
    }

    private bool StartsExpression() => reader.Current.Kind is TokenKind.Name or TokenKind.String or TokenKind.Integer or TokenKind.Float ||
        reader.IsOperator("(") || reader.IsOperator("[") || reader.IsOperator("{");
}
