using System.Globalization;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>The filter <c>tojson</c> as Hugging Face defines it: Python's <c>json.dumps</c> without escaping what is not ASCII.</summary>
internal sealed class JinjaJson
{
    private readonly JinjaLimits _limits;
    private readonly JinjaText _output;
    private readonly string? _indent;
    private readonly string _itemSeparator, _keySeparator;
    private readonly bool _sortKeys, _ensureAscii;

    private JinjaJson(JinjaLimits limits, string? indent, string itemSeparator, string keySeparator, bool sortKeys, bool ensureAscii)
    {
        (_limits, _output) = (limits, new JinjaText(limits));
        (_indent, _itemSeparator, _keySeparator, _sortKeys, _ensureAscii) = (indent, itemSeparator, keySeparator, sortKeys, ensureAscii);
    }

    public static string Write(object value, CallArguments arguments)
    {
        var indent = arguments.Find(1, "indent") switch
        {
            null or JinjaNone => null,
            string text => text,
            long spaces and <= 64 => new string(' ', (int)Math.Max(0, spaces)),
            _ => throw new ChatTemplateException("tojson() needs a small number or a text as 'indent'"),
        };
        var (item, key) = (indent is null ? ", " : ",", ": ");
        if (arguments.Find(2, "separators") is { } given && PythonObject.Items(given) is { } separators)
        {
            if (separators is not [string first, string second]) throw new ChatTemplateException("tojson() needs two texts as 'separators'");
            (item, key) = (first, second);
        }
        var json = new JinjaJson(arguments.Limits, indent, item, key, arguments.Flag(3, "sort_keys", false), arguments.Flag(0, "ensure_ascii", false));
        json.Write(value, 0);
        return json._output.ToString();
    }

    private void Write(object value, int depth)
    {
        _limits.EnterValue();
        switch (value)
        {
            case JinjaNone: _output.Append("null"); break;
            case bool b: _output.Append(b ? "true" : "false"); break;
            case long l: _output.Append(l.ToString(CultureInfo.InvariantCulture)); break;
            case double d: _output.Append(double.IsNaN(d) ? "NaN" : double.IsInfinity(d) ? d > 0 ? "Infinity" : "-Infinity" : PythonObject.FloatText(d)); break;
            case string s: Quote(s); break;
            case List<object> or JinjaTuple:
                Items('[', ']', PythonObject.Iterate(value, _limits), item => Write(item, depth + 1), depth);
                break;
            case JinjaDict dict:
                var keys = PythonObject.Iterate(dict, _limits);
                Items('{', '}', _sortKeys ? PythonObject.Sort(keys, key => key, reverse: false, _limits) : keys, key =>
                {
                    Quote(Key(key));
                    _output.Append(_keySeparator);
                    if (dict.TryGet(key, out var item)) Write(item, depth + 1);
                }, depth);
                break;
            default:
                throw new ChatTemplateException($"Object of type {PythonObject.TypeName(value)} is not JSON serializable");
        }

        _limits.Leave();
    }

    private void Items(char start, char end, IReadOnlyList<object> items, Action<object> write, int depth)
    {
        _output.Append(start);
        for (var i = 0; i < items.Count; i++)
        {
            if (i > 0) _output.Append(_itemSeparator);
            NewLine(depth + 1);
            write(items[i]);
        }
        if (items.Count > 0) NewLine(depth);
        _output.Append(end);
    }

    private void NewLine(int depth)
    {
        if (_indent is null) return;
        _output.Append('\n');
        for (var i = 0; i < depth; i++) _output.Append(_indent);
    }

    private static string Key(object key) => key switch
    {
        string s => s,
        bool b => b ? "true" : "false",
        long l => l.ToString(CultureInfo.InvariantCulture),
        double d => PythonObject.FloatText(d),
        JinjaNone => "null",
        _ => throw new ChatTemplateException($"keys must be str, int, float, bool or None, not {PythonObject.TypeName(key)}"),
    };

    private void Quote(string text)
    {
        _output.Append('"');
        foreach (var c in text)
            _ = c switch
            {
                '"' => _output.Append("\\\""),
                '\\' => _output.Append("\\\\"),
                '\n' => _output.Append("\\n"),
                '\r' => _output.Append("\\r"),
                '\t' => _output.Append("\\t"),
                '\b' => _output.Append("\\b"),
                '\f' => _output.Append("\\f"),
                _ when c < ' ' || (_ensureAscii && c > '~') => _output.Append($"\\u{(int)c:x4}"),
                _ => _output.Append(c),
            };
        _output.Append('"');
    }
}
