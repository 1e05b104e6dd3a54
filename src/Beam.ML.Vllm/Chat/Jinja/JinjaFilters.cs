using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Jinja's filters, and Hugging Face's <c>tojson</c>.</summary>
internal sealed class JinjaFilters
{
    private delegate object Filter(JinjaFilters filters, object value, CallArguments a);

    private static readonly Dictionary<string, Filter> Known = new(StringComparer.Ordinal)
    {
        ["abs"] = (_, v, _) => v switch { long l => (object)(l == long.MinValue ? l : Math.Abs(l)), double d => Math.Abs(d), bool b => b ? 1L : 0L, _ => throw Bad("abs", v) },
        ["attr"] = (_, v, a) => JinjaEvaluator.Attribute(v, a.Text(0, "name")),
        ["batch"] = (f, v, a) => f.Batch(v, a),
        ["capitalize"] = (f, v, _) => PythonText.Capitalize(PythonObject.ToText(v, f._limits)),
        ["center"] = (f, v, a) => JinjaMethods.Find(PythonObject.ToText(v, f._limits), "center") is JinjaFunction center
            ? center.Invoke(new CallArguments("center", [a.Integer(0, "width", 80)], a.Named, a.Limits)) : v,
        ["count"] = (f, v, _) => PythonObject.Length(v, f._limits),
        ["length"] = (f, v, _) => PythonObject.Length(v, f._limits),
        ["default"] = (_, v, a) => Default(v, a),
        ["d"] = (_, v, a) => Default(v, a),
        ["dictsort"] = (f, v, a) => f.DictSort(v, a),
        ["e"] = (f, v, _) => PythonText.Escape(PythonObject.ToText(v, f._limits), f._limits),
        ["escape"] = (f, v, _) => PythonText.Escape(PythonObject.ToText(v, f._limits), f._limits),
        ["first"] = (f, v, _) => Found(PythonObject.ItemAt(v, 0, f._limits), "No first item, sequence was empty."),
        ["last"] = (f, v, _) => Found(PythonObject.ItemAt(v, -1, f._limits), "No last item, sequence was empty."),
        ["float"] = (_, v, a) => ToFloat(v) ?? a.Find(0, "default") ?? 0.0,
        ["int"] = (_, v, a) => ToInt(v, a.Integer(1, "base", 10)) ?? a.Find(0, "default") ?? 0L,
        ["format"] = (f, v, a) => JinjaOperators.Format(PythonObject.ToText(v, f._limits), new JinjaTuple(a.Positional), f._limits),
        ["groupby"] = (f, v, a) => f.GroupBy(v, a),
        ["indent"] = (f, v, a) => f.Indent(PythonObject.ToText(v, f._limits), a),
        ["items"] = (_, v, a) => v switch
        {
            JinjaDict => ((JinjaFunction)JinjaMethods.Find(v, "items")!).Invoke(a),
            JinjaUndefined => new List<object>(),
            _ => throw new ChatTemplateException("Can only get item pairs from a mapping."),
        },
        ["join"] = (f, v, a) => f.Join(v, a),
        ["list"] = (f, v, _) => PythonObject.Iterate(v, f._limits).ToList(),
        ["lower"] = (f, v, _) => PythonObject.ToText(v, f._limits).ToLowerInvariant(),
        ["upper"] = (f, v, _) => PythonObject.ToText(v, f._limits).ToUpperInvariant(),
        ["map"] = (f, v, a) => f.Map(v, a),
        ["max"] = (f, v, a) => f.Extreme(v, a, 1),
        ["min"] = (f, v, a) => f.Extreme(v, a, -1),
        ["select"] = (f, v, a) => f.Select(v, a, byAttribute: false, keep: true),
        ["reject"] = (f, v, a) => f.Select(v, a, byAttribute: false, keep: false),
        ["selectattr"] = (f, v, a) => f.Select(v, a, byAttribute: true, keep: true),
        ["rejectattr"] = (f, v, a) => f.Select(v, a, byAttribute: true, keep: false),
        ["replace"] = (f, v, a) => PythonText.Replace(PythonObject.ToText(v, f._limits), PythonObject.ToText(a.Get(0, "old"), f._limits), PythonObject.ToText(a.Get(1, "new"), f._limits), a.Integer(2, "count", -1), f._limits),
        ["reverse"] = (f, v, _) => PythonObject.Iterate(v, f._limits).Reverse() is var items && v is string ? string.Concat(items) : items.ToList(),
        ["round"] = (_, v, a) => Round(v, a),
        ["safe"] = (f, v, _) => PythonObject.ToText(v, f._limits),
        ["string"] = (f, v, _) => PythonObject.ToText(v, f._limits),
        ["slice"] = (f, v, a) => f.Slice(v, a),
        ["sort"] = (f, v, a) => f.Sort(v, a),
        ["sum"] = (f, v, a) => f.Sum(v, a),
        ["title"] = (f, v, _) => PythonText.TitleWords(PythonObject.ToText(v, f._limits)),
        ["tojson"] = (_, v, a) => JinjaJson.Write(v, a),
        ["trim"] = (f, v, a) => PythonText.Strip(PythonObject.ToText(v, f._limits), a.Find(0, "chars") is null or JinjaNone ? null : a.Text(0, "chars"), f._limits),
        ["truncate"] = (f, v, a) => Truncate(PythonObject.ToText(v, f._limits), a),
        ["unique"] = (f, v, a) => f.Unique(v, a),
        ["urlencode"] = (f, v, _) => f.UrlEncode(PythonObject.ToText(v, f._limits)),
        ["wordcount"] = (f, v, _) => (long)PythonText.Split(PythonObject.ToText(v, f._limits), null, -1, false, f._limits).Count,
    };

    private readonly JinjaLimits _limits;

    public JinjaFilters(JinjaLimits limits) => _limits = limits;

    public static bool Exists(string name) => Known.ContainsKey(name);

    /// <summary>Applies a filter; one of <c>map</c> may go on to apply others.</summary>
    public object Apply(string name, object value, CallArguments arguments, int line)
    {
        if (!Known.TryGetValue(name, out var filter)) throw new ChatTemplateException($"line {line}: No filter named '{name}'.");
        _limits.Step();
        // Those of texts go through all of it; those of other values count what they go through.
        if (value is string text) _limits.Read(text.Length);
        _limits.Enter();
        var result = filter(this, value, arguments);
        _limits.Leave();
        return result;
    }

    private static object Found(object? item, string otherwise) => item ?? new JinjaUndefined(otherwise);

    private static ChatTemplateException Bad(string filter, object value) => value is JinjaUndefined u ? u.Error
        : new ChatTemplateException($"bad operand type for {filter}: '{PythonObject.TypeName(value)}'");

    private static object Default(object value, CallArguments a) =>
        value is JinjaUndefined || (a.Flag(1, "boolean", false) && !PythonObject.IsTrue(value)) ? a.Find(0, "default_value") ?? "" : value;

    private static double? ToFloat(object value) => PythonObject.AsNumber(value) ??
        (value is string s && double.TryParse(s.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null);

    private static long? ToInt(object value, long radix) => value switch
    {
        long l => l,
        bool b => b ? 1 : 0,
        double d => double.IsFinite(d) && Math.Abs(d) < 9e18 ? (long)d : null,
        string s when radix == 16 && long.TryParse(s.Trim().Replace("0x", "", StringComparison.OrdinalIgnoreCase), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var hex) => hex,
        string s when radix == 10 && long.TryParse(s.Trim(), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) => number,
        string s when radix == 10 && double.TryParse(s.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && Math.Abs(number) < 9e18 => (long)number,
        _ => null,
    };

    private static object Round(object value, CallArguments a)
    {
        var number = PythonObject.AsNumber(value) ?? throw Bad("round", value);
        var digits = (int)Math.Clamp(a.Integer(0, "precision", 0), 0, 15);
        var scale = Math.Pow(10, digits);
        return a.Text(1, "method", "common") switch
        {
            "common" => Math.Round(number, digits, MidpointRounding.ToEven),
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            _ => throw new ChatTemplateException("method must be common, ceil or floor"),
        };
    }

    // "a.b.0": attributes and items of items. Without a path an item stands for itself.
    private Func<object, object> PathOf(object? path)
    {
        if (path is null or JinjaNone) return item => item;
        if (path is not string text) return item => JinjaEvaluator.Item(item, path, _limits);
        _limits.Items(text.AsSpan().Count('.') + 1L);
        _limits.Read(text.Length);
        object[] steps = [.. text.Split('.').Select(part => long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? (object)index : part)];
        return item =>
        {
            foreach (var step in steps)
            {
                _limits.Step();
                item = JinjaEvaluator.Item(item, step, _limits);
            }
            return item;
        };
    }

    private object Folded(object value, CallArguments a, int caseIndex)
    {
        if (value is not string text || a.Flag(caseIndex, "case_sensitive", false)) return value;
        _limits.Read(text.Length);
        return text.ToLowerInvariant();
    }

    private List<object> Sort(object value, CallArguments a)
    {
        var attribute = a.Find(2, "attribute");
        Func<object, object>[] paths = attribute is string names && names.Contains(',') ? [.. names.Split(',').Select(n => PathOf(n.Trim()))] : [PathOf(attribute)];
        return PythonObject.Sort(PythonObject.Iterate(value, _limits), Key, a.Flag(0, "reverse", false), _limits);

        object Key(object item) => paths.Length == 1 ? Folded(paths[0](item), a, 1) : new JinjaTuple([.. paths.Select(path => Folded(path(item), a, 1))]);
    }

    private List<object> DictSort(object value, CallArguments a)
    {
        if (value is not JinjaDict dict) throw Bad("dictsort", value);
        var place = a.Text(1, "by", "key") switch { "key" => 0, "value" => 1, _ => throw new ChatTemplateException("You can only sort by either \"key\" or \"value\"") };
        _limits.Items(dict.Count);
        return PythonObject.Sort([.. dict.Items.Select(i => (object)new JinjaTuple([i.Key, i.Value]))], pair => Folded(((JinjaTuple)pair).Items[place], a, 0), a.Flag(2, "reverse", false), _limits);
    }

    private List<object> Unique(object value, CallArguments a)
    {
        var path = PathOf(a.Find(1, "attribute"));
        var seen = new JinjaDict(_limits);
        var result = new List<object>();
        foreach (var item in PythonObject.Iterate(value, _limits))
        {
            var key = Folded(path(item), a, 0);
            if (seen.TryGet(key, out _)) continue;
            seen[key] = true;
            result.Add(item);
        }
        return result;
    }

    private object Extreme(object value, CallArguments a, int sign)
    {
        var path = PathOf(a.Find(1, "attribute"));
        object? best = null, bestKey = null;
        foreach (var item in PythonObject.Iterate(value, _limits))
        {
            var key = Folded(path(item), a, 0);
            if (bestKey is not null && PythonObject.Compare(key, bestKey, _limits) * sign <= 0) continue;
            (best, bestKey) = (item, key);
        }
        return Found(best, "No aggregated item, sequence was empty.");
    }

    private object Sum(object value, CallArguments a)
    {
        var path = PathOf(a.Find(0, "attribute"));
        var total = a.Find(1, "start") ?? 0L;
        foreach (var item in PythonObject.Iterate(value, _limits)) total = JinjaOperators.Binary("+", total, path(item), _limits);
        return total;
    }

    private string Join(object value, CallArguments a) =>
        PythonText.Join(PythonObject.Iterate(value, _limits).Select(PathOf(a.Find(1, "attribute"))), a.Text(0, "d", ""), _limits);

    private List<object> Map(object value, CallArguments a)
    {
        if (!PythonObject.IsTrue(value)) return [];
        var items = PythonObject.Iterate(value, _limits);
        if (a.Named.TryGetValue("attribute", out var attribute))
        {
            var path = PathOf(attribute);
            return [.. items.Select(i => path(i) is var found && found is JinjaUndefined && a.Named.TryGetValue("default", out var otherwise) ? otherwise : found)];
        }
        var name = a.Text(0, "filter");
        var rest = Rest(a, 1, name);
        return [.. items.Select(i => Apply(name, i, rest, 0))];
    }

    private List<object> Select(object value, CallArguments a, bool byAttribute, bool keep)
    {
        if (!PythonObject.IsTrue(value)) return [];
        var path = PathOf(byAttribute ? a.Get(0, "attribute") : null);
        var at = byAttribute ? 1 : 0;
        var test = a.Positional.Count > at ? a.Text(at, "test") : null;
        var rest = Rest(a, at + 1, test ?? "");
        return [.. PythonObject.Iterate(value, _limits).Where(item =>
        {
            _limits.Step();
            var tested = path(item);
            return (test is null ? PythonObject.IsTrue(tested) : JinjaTests.Apply(test, tested, rest, 0)) == keep;
        })];
    }

    /// <summary>The arguments from a place on, for a filter or a test that others apply.</summary>
    private CallArguments Rest(CallArguments a, int from, string callee)
    {
        _limits.Items(a.Positional.Count);
        return new CallArguments(callee, [.. a.Positional.Skip(from)], a.Named, _limits);
    }

    private List<object> GroupBy(object value, CallArguments a)
    {
        var path = PathOf(a.Get(0, "attribute"));
        object Key(object item) => path(item) is var found && found is JinjaUndefined && a.Find(1, "default") is { } otherwise ? otherwise : found;
        var groups = new List<object>();
        foreach (var item in PythonObject.Sort(PythonObject.Iterate(value, _limits), i => Folded(Key(i), a, 2), reverse: false, _limits))
        {
            if (groups.Count > 0 && groups[^1] is JinjaTuple last && PythonObject.AreEqual(Folded(last.Items[0], a, 2), Folded(Key(item), a, 2), _limits))
                ((List<object>)last.Items[1]).Add(item);
            else groups.Add(new JinjaTuple([Key(item), new List<object> { item }]));
        }
        return groups;
    }

    private List<object> Batch(object value, CallArguments a)
    {
        var size = (int)Math.Clamp(a.Integer(0, "linecount", 1), 1, JinjaLimits.MaxItems);
        var batches = PythonObject.Iterate(value, _limits).Chunk(size).Select(c => c.ToList()).ToList();
        if (batches.Count > 0 && a.Find(1, "fill_with") is { } fill and not JinjaNone)
        {
            _limits.Items(size);
            while (batches[^1].Count < size) batches[^1].Add(fill);
        }
        return [.. batches];
    }

    private List<object> Slice(object value, CallArguments a)
    {
        var items = PythonObject.Iterate(value, _limits);
        var slices = (int)Math.Clamp(a.Integer(0, "slices", 1), 1, JinjaLimits.MaxItems);
        _limits.Items(slices);
        var (size, longer) = (items.Count / slices, items.Count % slices);
        var result = new List<object>();
        for (int i = 0, at = 0; i < slices; i++)
        {
            var count = size + (i < longer ? 1 : 0);
            var slice = items.Skip(at).Take(count).ToList();
            if (i >= longer && longer > 0 && a.Find(1, "fill_with") is { } fill and not JinjaNone) slice.Add(fill);
            result.Add(slice);
            at += count;
        }
        return result;
    }

    private string Indent(string text, CallArguments a)
    {
        var prefix = a.Find(0, "width") is string s ? s : new string(' ', (int)Math.Clamp(a.Integer(0, "width", 4), 0, 1000));
        var (first, blank) = (a.Flag(1, "first", false), a.Flag(2, "blank", false));
        var result = new JinjaText(_limits);
        for (var at = 0; at <= text.Length;)
        {
            var end = text.IndexOf('\n', at) is >= 0 and var found ? found : text.Length;
            if (at > 0) result.Append('\n');
            if ((at > 0 || first) && (blank || end > at)) result.Append(prefix);
            result.Append(text.AsSpan(at, end - at));
            at = end + 1;
        }
        return result.ToString();
    }

    private string UrlEncode(string text)
    {
        _limits.Make(3L * Encoding.UTF8.GetByteCount(text));
        return Uri.EscapeDataString(text).Replace("%2F", "/", StringComparison.Ordinal);
    }

    private static string Truncate(string text, CallArguments a)
    {
        var length = (int)Math.Clamp(a.Integer(0, "length", 255), 0, JinjaLimits.MaxText);
        var end = a.Text(2, "end", "...");
        if (text.Length <= length + a.Integer(3, "leeway", 5)) return text;
        var cut = text[..Math.Max(0, Math.Min(text.Length, length - end.Length))];
        if (!a.Flag(1, "killwords", false) && cut.LastIndexOf(' ') is >= 0 and var space) cut = cut[..space];
        return cut + end;
    }
}
