using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>The filter <c>tojson</c> as Hugging Face defines it: Python's <c>json.dumps</c> without escaping what is not ASCII.</summary>
internal sealed class JinjaJson
{
    private readonly StringBuilder _output = new();
    private readonly string? _indent;
    private readonly string _itemSeparator, _keySeparator;
    private readonly bool _sortKeys, _ensureAscii;

    private JinjaJson(string? indent, string itemSeparator, string keySeparator, bool sortKeys, bool ensureAscii) =>
        (_indent, _itemSeparator, _keySeparator, _sortKeys, _ensureAscii) = (indent, itemSeparator, keySeparator, sortKeys, ensureAscii);

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
        if (arguments.Find(2, "separators") is List<object> or JinjaTuple)
        {
            var separators = PythonObject.Iterate(arguments.Find(2, "separators")!);
            if (separators is not [string first, string second]) throw new ChatTemplateException("tojson() needs two texts as 'separators'");
            (item, key) = (first, second);
        }
        var json = new JinjaJson(indent, item, key, arguments.Flag(3, "sort_keys", false), arguments.Flag(0, "ensure_ascii", false));
        json.Write(value, 0);
        return json._output.ToString();
    }

    private void Write(object value, int depth)
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw new ChatTemplateException("values are nested too deeply");
        if (_output.Length > JinjaLimits.MaxText) throw JinjaLimits.TextTooLong;
        switch (value)
        {
            case JinjaNone: _output.Append("null"); break;
            case bool b: _output.Append(b ? "true" : "false"); break;
            case long l: _output.Append(l); break;
            case double d: _output.Append(double.IsNaN(d) ? "NaN" : double.IsInfinity(d) ? d > 0 ? "Infinity" : "-Infinity" : PythonObject.FloatText(d)); break;
            case string s: Quote(s); break;
            case List<object> or JinjaTuple:
                Items('[', ']', PythonObject.Iterate(value), item => Write(item, depth + 1), depth);
                break;
            case JinjaDict dict:
                var pairs = _sortKeys ? dict.Items.OrderBy(p => p.Key, Comparer<object>.Create((a, b) => PythonObject.Compare(a, b))) : dict.Items;
                Items('{', '}', [.. pairs], pair =>
                {
                    Quote(Key(pair.Key));
                    _output.Append(_keySeparator);
                    Write(pair.Value, depth + 1);
                }, depth);
                break;
            default:
                throw new ChatTemplateException($"Object of type {PythonObject.TypeName(value)} is not JSON serializable");
        }
    }

    private void Items<T>(char start, char end, IReadOnlyList<T> items, Action<T> write, int depth)
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
                _ when c < ' ' || (_ensureAscii && c > '~') => _output.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => _output.Append(c),
            };
        _output.Append('"');
    }
}
