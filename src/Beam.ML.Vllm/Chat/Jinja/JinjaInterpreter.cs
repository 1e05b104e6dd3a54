using System.Text;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Runs statements.</summary>
internal sealed class JinjaInterpreter
{
    private enum Flow { Next, Break, Continue }

    private readonly JinjaLimits _limits;
    private readonly JinjaEvaluator _evaluator;

    public JinjaInterpreter(JinjaLimits limits)
    {
        _limits = limits;
        _evaluator = new JinjaEvaluator(limits);
    }

    public void Run(Statement[] body, JinjaScope scope, StringBuilder output) => RunBody(body, scope, output);

    private Flow RunBody(Statement[] body, JinjaScope scope, StringBuilder output)
    {
        foreach (var statement in body)
            if (RunOne(statement, scope, output) is not Flow.Next and var flow) return flow;
        return Flow.Next;
    }

    private Flow RunOne(Statement statement, JinjaScope scope, StringBuilder output)
    {
        _limits.Step();
        switch (statement)
        {
            case TextStatement text:
                Write(text.Text, output);
                return Flow.Next;
            case OutputStatement print:
                Write(PythonObject.ToText(_evaluator.Evaluate(print.Value, scope)), output);
                return Flow.Next;
            case IfStatement conditional:
                foreach (var (test, body) in conditional.Branches)
                    if (PythonObject.IsTrue(_evaluator.Evaluate(test, scope))) return RunBody(body, scope, output);
                return RunBody(conditional.Else, scope, output);
            case ForStatement loop:
                RunLoop(loop, _evaluator.Evaluate(loop.Items, scope), scope, output, depth: 0);
                return Flow.Next;
            case SetStatement set:
                Assign(set.Target, _evaluator.Evaluate(set.Value, scope), scope);
                return Flow.Next;
            case SetBlockStatement set:
                Assign(set.Target, Filtered(set.Filter, Capture(set.Body, new JinjaScope(scope)), scope), scope);
                return Flow.Next;
            case MacroStatement macro:
                scope.Set(macro.Name, Macro(macro, scope));
                return Flow.Next;
            case CallStatement call:
                Write(PythonObject.ToText(_evaluator.Call(call.Call, scope, Macro(call.Caller, scope))), output);
                return Flow.Next;
            case FilterStatement filter:
                Write(PythonObject.ToText(Filtered(filter.Filter, Capture(filter.Body, new JinjaScope(scope)), scope)), output);
                return Flow.Next;
            case WithStatement with:
                var inner = new JinjaScope(scope);
                foreach (var (target, value) in with.Assignments) Assign(target, _evaluator.Evaluate(value, scope), inner);
                return RunBody(with.Body, inner, output);
            case GenerationStatement generation:
                return RunBody(generation.Body, scope, output);
            case BreakStatement:
                return Flow.Break;
            case ContinueStatement:
                return Flow.Continue;
            default:
                throw new InvalidOperationException($"No such statement: {statement.GetType().Name}.");
        }
    }

    private void RunLoop(ForStatement loop, object value, JinjaScope scope, StringBuilder output, int depth)
    {
        _limits.Enter();
        IReadOnlyList<object> items = PythonObject.Iterate(value);
        var inner = new JinjaScope(scope);
        if (loop.Filter is not null)
        {
            var kept = new List<object>();
            foreach (var item in items)
            {
                _limits.Step();
                inner.Clear();
                Assign(loop.Target, item, inner);
                if (PythonObject.IsTrue(_evaluator.Evaluate(loop.Filter, inner))) kept.Add(item);
            }
            items = kept;
        }
        var state = new LoopState(items, depth, loop.Recursive ? Recurse : null);
        for (var i = 0; i < items.Count; i++)
        {
            _limits.Step();
            state.Index = i;
            inner.Clear();
            inner.Set("loop", state);
            Assign(loop.Target, items[i], inner);
            if (RunBody(loop.Body, inner, output) == Flow.Break) break;
        }
        if (items.Count == 0) RunBody(loop.Else, scope, output);
        _limits.Leave();

        object Recurse(CallArguments arguments)
        {
            var part = new StringBuilder();
            RunLoop(loop, arguments.Get(0, "iterable"), scope, part, depth + 1);
            return part.ToString();
        }
    }

    private JinjaFunction Macro(MacroStatement macro, JinjaScope defined) => new(macro.Name, arguments =>
    {
        _limits.Enter();
        var scope = new JinjaScope(defined);
        if (arguments.Positional.Count > macro.Parameters.Length && !Uses(macro, "varargs"))
            throw new ChatTemplateException($"macro '{macro.Name}' takes not more than {macro.Parameters.Length} argument(s)");
        for (var i = 0; i < macro.Parameters.Length; i++)
        {
            var (name, otherwise) = macro.Parameters[i];
            scope.Set(name, arguments.Find(i, name) ?? (otherwise is null
                ? new JinjaUndefined($"parameter '{name}' was not provided") : _evaluator.Evaluate(otherwise, scope)));
        }
        scope.Set("varargs", new JinjaTuple([.. arguments.Positional.Skip(macro.Parameters.Length)]));
        var named = new JinjaDict();
        foreach (var (name, value) in arguments.Named)
        {
            if (name == "caller") scope.Set("caller", value);
            else if (macro.Parameters.All(p => p.Name != name))
            {
                if (!Uses(macro, "kwargs")) throw new ChatTemplateException($"macro '{macro.Name}' takes no keyword argument '{name}'");
                named[name] = value;
            }
        }
        scope.Set("kwargs", named);
        var text = Capture(macro.Body, scope);
        _limits.Leave();
        return text;
    })
    {
        Attributes = new Dictionary<string, object>
        {
            ["name"] = macro.Name,
            ["arguments"] = new JinjaTuple([.. macro.Parameters.Select(p => (object)p.Name)]),
        },
    };

    // A macro takes further arguments only where it mentions them.
    private static bool Uses(MacroStatement macro, string name) => JinjaNames.Mentions(macro.Body, name);

    private string Capture(Statement[] body, JinjaScope scope)
    {
        var output = new StringBuilder();
        RunBody(body, scope, output);
        return output.ToString();
    }

    private object Filtered(Expression? filter, string text, JinjaScope scope) => filter is null ? text : _evaluator.EvaluateFilter(filter, text, scope);

    private void Write(string text, StringBuilder output)
    {
        if (output.Length + (long)text.Length > JinjaLimits.MaxText) throw JinjaLimits.TextTooLong;
        _limits.Make(text.Length);
        output.Append(text);
    }

    private void Assign(Expression target, object value, JinjaScope scope)
    {
        switch (target)
        {
            case Name name:
                scope.Set(name.Id, value);
                break;
            case AttributeExpression { Target: Name name } attribute:
                if (scope.Find(name.Id) is not JinjaNamespace space)
                    throw new ChatTemplateException($"line {target.Line}: cannot assign attribute on non-namespace object '{name.Id}'");
                space.Attributes[attribute.Attribute] = value;
                break;
            case TupleExpression tuple:
                var items = PythonObject.Iterate(value);
                if (items.Count != tuple.Items.Length)
                    throw new ChatTemplateException($"line {target.Line}: {(items.Count < tuple.Items.Length ? "not enough" : "too many")} values to unpack (expected {tuple.Items.Length}, got {items.Count})");
                for (var i = 0; i < items.Count; i++) Assign(tuple.Items[i], items[i], scope);
                break;
        }
    }
}
