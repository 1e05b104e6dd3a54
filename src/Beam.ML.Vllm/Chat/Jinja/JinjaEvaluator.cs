namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Evaluates expressions.</summary>
internal sealed class JinjaEvaluator(JinjaLimits limits)
{
    private readonly JinjaFilters _filters = new(limits);

    public object Evaluate(Expression expression, JinjaScope scope)
    {
        limits.Step();
        limits.Enter();
        var value = expression switch
        {
            Constant e => e.Value,
            Name e => scope.Find(e.Id, limits) ?? new JinjaUndefined($"'{e.Id}' is undefined"),
            ListExpression e => e.Items.Select(i => Evaluate(i, scope)).ToList(),
            TupleExpression e => new JinjaTuple([.. e.Items.Select(i => Evaluate(i, scope))]),
            DictExpression e => Dict(e, scope),
            AttributeExpression e => Attribute(Evaluate(e.Target, scope), e.Attribute),
            IndexExpression { Index: SliceExpression slice } e => Slice(Evaluate(e.Target, scope), slice, scope),
            IndexExpression e => Item(Evaluate(e.Target, scope), Evaluate(e.Index, scope), limits),
            CallExpression e => Call(e, scope, caller: null),
            FilterExpression e => Filter(e.Filter, Evaluate(e.Target, scope), scope),
            TestExpression e => Test(e, scope),
            UnaryExpression e => JinjaOperators.Unary(e.Operator, Evaluate(e.Operand, scope)),
            BinaryExpression e => JinjaOperators.Binary(e.Operator, Evaluate(e.Left, scope), Evaluate(e.Right, scope), limits),
            CompareExpression e => Compare(e, scope),
            AndExpression e => Evaluate(e.Left, scope) is var left && PythonObject.IsTrue(left) ? Evaluate(e.Right, scope) : left,
            OrExpression e => Evaluate(e.Left, scope) is var left && PythonObject.IsTrue(left) ? left : Evaluate(e.Right, scope),
            ConcatExpression e => Concat(e, scope),
            ConditionalExpression e => PythonObject.IsTrue(Evaluate(e.Test, scope)) ? Evaluate(e.Then, scope)
                : e.Else is not null ? Evaluate(e.Else, scope) : new JinjaUndefined("the inline if-expression evaluated to false and no else section was defined."),
            _ => throw new ChatTemplateException($"line {expression.Line}: a slice stands outside of brackets."),
        };
        limits.Leave();
        return value;
    }

    public object Filter(FilterCall filter, object value, JinjaScope scope) =>
        _filters.Apply(filter.Name, value, Arguments(filter.Name, filter.Arguments, scope), filter.Line);

    /// <summary>Calls; a call block passes its body as the argument <c>caller</c>.</summary>
    public object Call(CallExpression call, JinjaScope scope, JinjaFunction? caller)
    {
        var target = Evaluate(call.Target, scope);
        var arguments = Arguments(Describe(call.Target), call.Arguments, scope);
        if (caller is not null) arguments = arguments with { Named = new Dictionary<string, object>(arguments.Named) { ["caller"] = caller } };
        return target switch
        {
            JinjaFunction function => function.Invoke(arguments),
            LoopState { Recurse: { } recurse } => recurse(arguments),
            LoopState => throw new ChatTemplateException("The loop must have the 'recursive' marker to be called recursively."),
            JinjaUndefined undefined => throw undefined.Error,
            _ => throw new ChatTemplateException($"'{PythonObject.TypeName(target)}' object is not callable"),
        };
    }

    /// <summary><c>value.name</c>: a method or attribute, else an item.</summary>
    public static object Attribute(object target, string name) => target switch
    {
        JinjaUndefined undefined => throw undefined.Error,
        LoopState loop when loop.Attribute(name) is { } value => value,
        JinjaNamespace space when space.Attributes.TryGetValue(name, out var value) => value,
        JinjaFunction { Attributes: { } attributes } when attributes.TryGetValue(name, out var value) => value,
        _ when JinjaMethods.Find(target, name) is { } method => method,
        JinjaDict dict when dict.TryGet(name, out var value) => value,
        _ => Missing(target, name),
    };

    /// <summary><c>value[key]</c>: an item, else an attribute.</summary>
    public static object Item(object target, object key, JinjaLimits limits)
    {
        switch (target)
        {
            case JinjaUndefined undefined:
                throw undefined.Error;
            case JinjaDict dict when key is not (List<object> or JinjaDict) && dict.TryGet(key, out var value):
                return value;
            case string or List<object> or JinjaTuple when key is long or bool:
                var index = key is long l ? l : (bool)key ? 1 : 0;
                return PythonObject.ItemAt(target, index, limits) ?? new JinjaUndefined($"{PythonObject.TypeName(target)} object has no element {index}");
            default:
                return key is string name ? target is JinjaDict ? JinjaMethods.Find(target, name) ?? Missing(target, name) : Attribute(target, name)
                    : new JinjaUndefined($"'{PythonObject.TypeName(target)} object' has no element {PythonObject.ToText(key, limits)}");
        }
    }

    public CallArguments Arguments(string callee, Arguments arguments, JinjaScope scope)
    {
        var positional = new List<object>(arguments.Positional.Length);
        foreach (var argument in arguments.Positional) positional.Add(Evaluate(argument, scope));
        if (arguments.Spread is not null) positional.AddRange(PythonObject.Iterate(Evaluate(arguments.Spread, scope), limits));
        var named = new Dictionary<string, object>(StringComparer.Ordinal);
        foreach (var (name, argument) in arguments.Named) named[name] = Evaluate(argument, scope);
        if (arguments.NamedSpread is not null && Evaluate(arguments.NamedSpread, scope) is JinjaDict spread)
        {
            limits.Items(spread.Count);
            foreach (var (name, value) in spread.Items) named[PythonObject.ToText(name, limits)] = value;
        }
        return new CallArguments(callee, positional, named, limits);
    }

    private static JinjaUndefined Missing(object target, string name) => new(name.StartsWith('_')
        ? $"access to attribute '{name}' of '{PythonObject.TypeName(target)}' object is unsafe."
        : $"'{(target is JinjaDict or List<object> or string ? PythonObject.TypeName(target) + " object" : PythonObject.TypeName(target))}' has no attribute '{name}'");

    private static string Describe(Expression target) => target switch
    {
        Name name => name.Id,
        AttributeExpression attribute => attribute.Attribute,
        _ => "the function",
    };

    private JinjaDict Dict(DictExpression e, JinjaScope scope)
    {
        var dict = new JinjaDict(limits);
        foreach (var (key, value) in e.Items) dict[Evaluate(key, scope)] = Evaluate(value, scope);
        return dict;
    }

    private object Test(TestExpression e, JinjaScope scope) =>
        JinjaTests.Apply(e.Test, Evaluate(e.Target, scope), Arguments(e.Test, e.Arguments, scope), e.Line) != e.Negated;

    private object Compare(CompareExpression e, JinjaScope scope)
    {
        var left = Evaluate(e.First, scope);
        foreach (var (op, operand) in e.Rest)
        {
            var right = Evaluate(operand, scope);
            if (!JinjaOperators.Compare(op, left, right, limits)) return false;
            left = right;
        }
        return true;
    }

    private string Concat(ConcatExpression e, JinjaScope scope)
    {
        var result = new JinjaText(limits);
        foreach (var part in e.Parts) result.Append(PythonObject.ToText(Evaluate(part, scope), limits));
        return result.ToString();
    }

    private object Slice(object target, SliceExpression slice, JinjaScope scope)
    {
        if (target is JinjaUndefined undefined) throw undefined.Error;
        if (target is not (string or List<object> or JinjaTuple)) throw new ChatTemplateException($"'{PythonObject.TypeName(target)}' object cannot be sliced");
        var step = Bound(slice.Step) ?? 1;
        if (step == 0) throw new ChatTemplateException("slice step cannot be zero");
        var items = target is string && step == 1 ? null : PythonObject.Iterate(target, limits);
        var count = items?.Count ?? PythonObject.Length(target, limits);
        var (low, high) = step > 0 ? (0L, count) : (-1L, count - 1);
        var start = Clip(Bound(slice.Start), step > 0 ? low : high);
        var stop = Clip(Bound(slice.Stop), step > 0 ? high : low);
        if (items is null) return start < stop ? PythonText.Slice((string)target, start, stop, limits) : "";
        var picked = new List<object>();
        for (var i = start; step > 0 ? i < stop : i > stop;)
        {
            limits.Add(picked, items[(int)i]);
            if (step >= count || step <= -count) break;
            i += step;
        }
        return target switch
        {
            string => string.Concat(picked.Cast<string>()),
            JinjaTuple => new JinjaTuple(picked),
            _ => picked,
        };

        long? Bound(Expression? bound) => bound is null ? null : Evaluate(bound, scope) switch
        {
            long l => l,
            bool b => b ? 1 : 0,
            JinjaNone => null,
            _ => throw new ChatTemplateException("slice indices must be integers or None"),
        };

        long Clip(long? bound, long otherwise) => bound is not { } b ? otherwise : Math.Clamp(b < 0 ? b + count : b, low, high);
    }
}
