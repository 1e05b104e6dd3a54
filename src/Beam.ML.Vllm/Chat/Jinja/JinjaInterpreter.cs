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

    public void Run(Statement[] body, JinjaScope scope, JinjaText output) => RunBody(body, scope, output);

    private Flow RunBody(Statement[] body, JinjaScope scope, JinjaText output)
    {
        _limits.Enter();
        var flow = Flow.Next;
        for (var i = 0; i < body.Length && flow == Flow.Next; i++) flow = RunOne(body[i], scope, output);
        _limits.Leave();
        return flow;
    }

    private Flow RunOne(Statement statement, JinjaScope scope, JinjaText output)
    {
        _limits.Step();
        switch (statement)
        {
            case TextStatement text:
                output.Append(text.Text);
                return Flow.Next;
            case OutputStatement print:
                output.Append(PythonObject.ToText(_evaluator.Evaluate(print.Value, scope), _limits));
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
                Assign(set.Target, Filtered(set.Filters, Capture(set.Body, new JinjaScope(scope)), scope), scope);
                return Flow.Next;
            case MacroStatement macro:
                scope.Set(macro.Name, Macro(macro, scope));
                return Flow.Next;
            case CallStatement call:
                output.Append(PythonObject.ToText(_evaluator.Call(call.Call, scope, Macro(call.Caller, scope)), _limits));
                return Flow.Next;
            case FilterStatement filter:
                output.Append(PythonObject.ToText(Filtered(filter.Filters, Capture(filter.Body, new JinjaScope(scope)), scope), _limits));
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

    private void RunLoop(ForStatement loop, object value, JinjaScope scope, JinjaText output, int depth)
    {
        var items = PythonObject.Iterate(value, _limits);
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

        object Recurse(CallArguments arguments)
        {
            var part = new JinjaText(_limits);
            RunLoop(loop, arguments.Get(0, "iterable"), scope, part, depth + 1);
            return part.ToString();
        }
    }

    private JinjaFunction Macro(MacroStatement macro, JinjaScope defined) => new(macro.Name, arguments =>
    {
        var scope = new JinjaScope(defined);
        _limits.Items(arguments.Positional.Count + macro.Parameters.Length + arguments.Named.Count);
        if (arguments.Positional.Count > macro.Parameters.Length && !macro.Extras.HasFlag(MacroExtras.Varargs))
            throw new ChatTemplateException($"macro '{macro.Name}' takes not more than {macro.Parameters.Length} argument(s)");
        for (var i = 0; i < macro.Parameters.Length; i++)
        {
            var (name, otherwise) = macro.Parameters[i];
            scope.Set(name, arguments.Find(i, name) ?? (otherwise is null
                ? new JinjaUndefined($"parameter '{name}' was not provided") : _evaluator.Evaluate(otherwise, scope)));
        }
        scope.Set("varargs", new JinjaTuple([.. arguments.Positional.Skip(macro.Parameters.Length)]));
        var named = new JinjaDict(_limits);
        foreach (var (name, value) in arguments.Named)
        {
            if (name == "caller") scope.Set("caller", value);
            else if (!macro.ParameterNames.Contains(name))
            {
                if (!macro.Extras.HasFlag(MacroExtras.Kwargs)) throw new ChatTemplateException($"macro '{macro.Name}' takes no keyword argument '{name}'");
                named[name] = value;
            }
        }
        scope.Set("kwargs", named);
        return Capture(macro.Body, scope);
    })
    {
        Attributes = macro.Attributes,
    };

    private string Capture(Statement[] body, JinjaScope scope)
    {
        var output = new JinjaText(_limits);
        RunBody(body, scope, output);
        return output.ToString();
    }

    private object Filtered(FilterCall[] filters, object value, JinjaScope scope)
    {
        foreach (var filter in filters) value = _evaluator.Filter(filter, value, scope);
        return value;
    }

    private void Assign(Expression target, object value, JinjaScope scope)
    {
        switch (target)
        {
            case Name name:
                scope.Set(name.Id, value);
                break;
            case AttributeExpression { Target: Name name } attribute:
                if (scope.Find(name.Id, _limits) is not JinjaNamespace space)
                    throw new ChatTemplateException($"line {target.Line}: cannot assign attribute on non-namespace object '{name.Id}'");
                space.Attributes[attribute.Attribute] = value;
                break;
            case TupleExpression tuple:
                var items = PythonObject.Iterate(value, _limits);
                if (items.Count != tuple.Items.Length)
                    throw new ChatTemplateException($"line {target.Line}: {(items.Count < tuple.Items.Length ? "not enough" : "too many")} values to unpack (expected {tuple.Items.Length}, got {items.Count})");
                for (var i = 0; i < items.Count; i++) Assign(tuple.Items[i], items[i], scope);
                break;
        }
    }
}
