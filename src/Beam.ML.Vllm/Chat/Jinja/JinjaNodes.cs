namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>A part of a parsed template.</summary>
internal abstract record Node(int Line);

internal abstract record Expression(int Line) : Node(Line);

internal abstract record Statement(int Line) : Node(Line);

internal sealed record Constant(int Line, object Value) : Expression(Line);
internal sealed record Name(int Line, string Id) : Expression(Line);
internal sealed record ListExpression(int Line, Expression[] Items) : Expression(Line);
internal sealed record TupleExpression(int Line, Expression[] Items) : Expression(Line);
internal sealed record DictExpression(int Line, (Expression Key, Expression Value)[] Items) : Expression(Line);
internal sealed record AttributeExpression(int Line, Expression Target, string Attribute) : Expression(Line);
internal sealed record IndexExpression(int Line, Expression Target, Expression Index) : Expression(Line);
internal sealed record SliceExpression(int Line, Expression? Start, Expression? Stop, Expression? Step) : Expression(Line);
internal sealed record CallExpression(int Line, Expression Target, Arguments Arguments) : Expression(Line);

internal sealed record FilterExpression(int Line, Expression Target, FilterCall Filter) : Expression(Line);
internal sealed record TestExpression(int Line, Expression Target, string Test, Arguments Arguments, bool Negated) : Expression(Line);
internal sealed record UnaryExpression(int Line, string Operator, Expression Operand) : Expression(Line);
internal sealed record BinaryExpression(int Line, string Operator, Expression Left, Expression Right) : Expression(Line);
internal sealed record CompareExpression(int Line, Expression First, (string Operator, Expression Operand)[] Rest) : Expression(Line);
internal sealed record AndExpression(int Line, Expression Left, Expression Right) : Expression(Line);
internal sealed record OrExpression(int Line, Expression Left, Expression Right) : Expression(Line);
internal sealed record ConcatExpression(int Line, Expression[] Parts) : Expression(Line);
internal sealed record ConditionalExpression(int Line, Expression Test, Expression Then, Expression? Else) : Expression(Line);

/// <summary>The arguments of a call, a filter or a test.</summary>
internal sealed record Arguments(Expression[] Positional, (string Name, Expression Value)[] Named, Expression? Spread, Expression? NamedSpread)
{
    public static Arguments None { get; } = new([], [], null, null);
}

/// <summary>A filter with its arguments, to be applied to a value.</summary>
internal sealed record FilterCall(int Line, string Name, Arguments Arguments);

internal sealed record TextStatement(int Line, string Text) : Statement(Line);
internal sealed record OutputStatement(int Line, Expression Value) : Statement(Line);
internal sealed record IfStatement(int Line, (Expression Test, Statement[] Body)[] Branches, Statement[] Else) : Statement(Line);
internal sealed record ForStatement(int Line, Expression Target, Expression Items, Expression? Filter, Statement[] Body, Statement[] Else, bool Recursive) : Statement(Line);
internal sealed record SetStatement(int Line, Expression Target, Expression Value) : Statement(Line);
internal sealed record SetBlockStatement(int Line, Expression Target, FilterCall[] Filters, Statement[] Body) : Statement(Line);
internal sealed record MacroStatement(int Line, string Name, (string Name, Expression? Default)[] Parameters, Statement[] Body, MacroExtras Extras) : Statement(Line)
{
    public IReadOnlySet<string> ParameterNames { get; } = Parameters.Select(p => p.Name).ToHashSet(StringComparer.Ordinal);

    /// <summary>What templates can ask a macro for.</summary>
    public IReadOnlyDictionary<string, object> Attributes { get; } = new Dictionary<string, object>(StringComparer.Ordinal)
    {
        ["name"] = Name, ["arguments"] = new JinjaTuple([.. Parameters.Select(p => (object)p.Name)]),
    };
}
internal sealed record CallStatement(int Line, CallExpression Call, MacroStatement Caller) : Statement(Line);
internal sealed record FilterStatement(int Line, FilterCall[] Filters, Statement[] Body) : Statement(Line);
internal sealed record WithStatement(int Line, (Expression Target, Expression Value)[] Assignments, Statement[] Body) : Statement(Line);

/// <summary>Arguments beyond its parameters that a macro takes, since it mentions them.</summary>
[Flags]
internal enum MacroExtras { None, Varargs = 1, Kwargs = 2 }

/// <summary>A part that marks what the assistant said: rendered as it is.</summary>
internal sealed record GenerationStatement(int Line, Statement[] Body) : Statement(Line);
internal sealed record BreakStatement(int Line) : Statement(Line);
internal sealed record ContinueStatement(int Line) : Statement(Line);
