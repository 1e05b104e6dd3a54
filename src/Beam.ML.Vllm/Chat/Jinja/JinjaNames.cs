using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Looks for a name in a part of a template.</summary>
internal static class JinjaNames
{
    public static bool Mentions(IEnumerable<Statement> body, string name) => body.Any(s => Mentions(s, name));

    private static bool Mentions(Statement statement, string name) => EnsureStack() && statement switch
    {
        OutputStatement s => In(s.Value, name),
        IfStatement s => s.Branches.Any(b => In(b.Test, name) || Mentions(b.Body, name)) || Mentions(s.Else, name),
        ForStatement s => In(s.Items, name) || In(s.Filter, name) || Mentions(s.Body, name) || Mentions(s.Else, name),
        SetStatement s => In(s.Value, name),
        SetBlockStatement s => In(s.Filter, name) || Mentions(s.Body, name),
        CallStatement s => In(s.Call, name) || Mentions(s.Caller.Body, name),
        FilterStatement s => In(s.Filter, name) || Mentions(s.Body, name),
        WithStatement s => s.Assignments.Any(a => In(a.Value, name)) || Mentions(s.Body, name),
        GenerationStatement s => Mentions(s.Body, name),
        _ => false,
    };

    private static bool In(Expression? expression, string name) => EnsureStack() && expression switch
    {
        Name e => e.Id == name,
        ListExpression e => e.Items.Any(i => In(i, name)),
        TupleExpression e => e.Items.Any(i => In(i, name)),
        DictExpression e => e.Items.Any(i => In(i.Key, name) || In(i.Value, name)),
        AttributeExpression e => In(e.Target, name),
        IndexExpression e => In(e.Target, name) || In(e.Index, name),
        SliceExpression e => In(e.Start, name) || In(e.Stop, name) || In(e.Step, name),
        CallExpression e => In(e.Target, name) || In(e.Arguments, name),
        FilterExpression e => In(e.Target, name) || In(e.Arguments, name),
        TestExpression e => In(e.Target, name) || In(e.Arguments, name),
        UnaryExpression e => In(e.Operand, name),
        BinaryExpression e => In(e.Left, name) || In(e.Right, name),
        CompareExpression e => In(e.First, name) || e.Rest.Any(r => In(r.Operand, name)),
        AndExpression e => In(e.Left, name) || In(e.Right, name),
        OrExpression e => In(e.Left, name) || In(e.Right, name),
        ConcatExpression e => e.Parts.Any(p => In(p, name)),
        ConditionalExpression e => In(e.Test, name) || In(e.Then, name) || In(e.Else, name),
        _ => false,
    };

    // A long chain of operators is a deep tree.
    private static bool EnsureStack() => RuntimeHelpers.TryEnsureSufficientExecutionStack() ? true : throw new ChatTemplateException("the template is nested too deeply");

    private static bool In(Arguments arguments, string name) => arguments.Positional.Any(a => In(a, name)) ||
        arguments.Named.Any(a => In(a.Value, name)) || In(arguments.Spread, name) || In(arguments.NamedSpread, name);
}
