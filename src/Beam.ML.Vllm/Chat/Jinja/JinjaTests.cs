namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>The tests after <c>is</c>.</summary>
internal static class JinjaTests
{
    public static bool Exists(string name) => Known.Contains(name);

    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping", "sequence", "iterable", "callable",
        "sameas", "eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<", "le", "<=", "gt", "greaterthan", ">", "ge", ">=", "in", "even", "odd", "divisibleby",
        "lower", "upper", "escaped", "filter", "test",
    };

    public static bool Apply(string name, object value, CallArguments arguments, int line) => Apply(name, value, arguments, arguments.Limits, line);

    private static bool Apply(string name, object value, CallArguments arguments, JinjaLimits limits, int line) => name switch
    {
        "defined" => value is not JinjaUndefined,
        "undefined" => value is JinjaUndefined,
        "none" => value is JinjaNone,
        "boolean" => value is bool,
        "true" => value is true,
        "false" => value is false,
        "integer" => value is long,
        "float" => value is double,
        "number" => value is long or double or bool,
        "string" => value is string,
        "mapping" => value is JinjaDict,
        "sequence" => value is string or List<object> or JinjaTuple or JinjaDict or JinjaUndefined,
        "iterable" => value is string or List<object> or JinjaTuple or JinjaDict or JinjaUndefined,
        "callable" => value is JinjaFunction or LoopState { Recurse: not null },
        "sameas" => Same(value, arguments.Get(0, "other")),
        "eq" or "equalto" or "==" => PythonObject.AreEqual(value, arguments.Get(0, "other"), limits),
        "ne" or "!=" => !PythonObject.AreEqual(value, arguments.Get(0, "other"), limits),
        "lt" or "lessthan" or "<" => PythonObject.Compare(value, arguments.Get(0, "other"), limits, "<") < 0,
        "le" or "<=" => PythonObject.Compare(value, arguments.Get(0, "other"), limits, "<=") <= 0,
        "gt" or "greaterthan" or ">" => PythonObject.Compare(value, arguments.Get(0, "other"), limits, ">") > 0,
        "ge" or ">=" => PythonObject.Compare(value, arguments.Get(0, "other"), limits, ">=") >= 0,
        "in" => PythonObject.Contains(arguments.Get(0, "seq"), value, limits),
        "even" => Remainder(value, 2) == 0,
        "odd" => Remainder(value, 2) != 0,
        "divisibleby" => arguments.Integer(0, "num", 0) is not 0 and var divisor ? Remainder(value, divisor) == 0 : throw new ChatTemplateException("division by zero"),
        "lower" => PythonText.IsLower(PythonObject.ToText(value, limits), limits),
        "upper" => PythonText.IsUpper(PythonObject.ToText(value, limits), limits),
        "escaped" => false,
        "filter" => value is string filter && JinjaFilters.Exists(filter),
        "test" => value is string test && Exists(test),
        _ => throw new ChatTemplateException($"line {line}: No test named '{name}'."),
    };

    private static bool Same(object a, object b) => (a, b) switch
    {
        (bool x, bool y) => x == y,
        (long x, long y) => x == y,
        (string x, string y) => x == y,
        _ => ReferenceEquals(a, b),
    };

    private static long Remainder(object value, long divisor) => value switch
    {
        long l => divisor == -1 ? 0 : l % divisor,
        bool b => (b ? 1 : 0) % divisor,
        JinjaUndefined u => throw u.Error,
        _ => throw new ChatTemplateException($"unsupported operand type(s) for %: '{PythonObject.TypeName(value)}' and 'int'"),
    };
}
