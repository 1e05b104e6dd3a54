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
        ["capitalize"] = (_, v, _) => PythonText.Capitalize(PythonObject.ToText(v)),
        ["center"] = (_, v, a) => JinjaMethods.Find(PythonObject.ToText(v), "center") is JinjaFunction center
            ? center.Invoke(new CallArguments("center", [a.Integer(0, "width", 80)], a.Named, a.Limits)) : v,
        ["count"] = (_, v, _) => PythonObject.Length(v),
        ["length"] = (_, v, _) => PythonObject.Length(v),
        ["default"] = (_, v, a) => Default(v, a),
        ["d"] = (_, v, a) => Default(v, a),
        ["dictsort"] = (_, v, a) => DictSort(v, a),
        ["e"] = (_, v, _) => PythonText.Escape(PythonObject.ToText(v)),
        ["escape"] = (_, v, _) => PythonText.Escape(PythonObject.ToText(v)),
        ["first"] = (_, v, _) => PythonObject.Iterate(v) is [var first, ..] ? first : new JinjaUndefined("No first item, sequence was empty."),
        ["last"] = (_, v, _) => PythonObject.Iterate(v) is [.., var last] ? last : new JinjaUndefined("No last item, sequence was empty."),
        ["float"] = (_, v, a) => ToFloat(v) ?? a.Find(0, "default") ?? 0.0,
        ["int"] = (_, v, a) => ToInt(v, a.Integer(1, "base", 10)) ?? a.Find(0, "default") ?? 0L,
        ["format"] = (f, v, a) => JinjaOperators.Format(PythonObject.ToText(v), new JinjaTuple(a.Positional), f._limits),
        ["groupby"] = (f, v, a) => f.GroupBy(v, a),
        ["indent"] = (f, v, a) => f.Indent(PythonObject.ToText(v), a),
        ["items"] = (_, v, _) => v switch
        {
            JinjaDict dict => dict.Items.Select(i => (object)new JinjaTuple([i.Key, i.Value])).ToList(),
            JinjaUndefined => new List<object>(),
            _ => throw new ChatTemplateException("Can only get item pairs from a mapping."),
        },
        ["join"] = (f, v, a) => f.Join(v, a),
        ["list"] = (_, v, _) => PythonObject.Iterate(v).ToList(),
        ["lower"] = (_, v, _) => PythonObject.ToText(v).ToLowerInvariant(),
        ["upper"] = (_, v, _) => PythonObject.ToText(v).ToUpperInvariant(),
        ["map"] = (f, v, a) => f.Map(v, a),
        ["max"] = (_, v, a) => Extreme(v, a, 1),
        ["min"] = (_, v, a) => Extreme(v, a, -1),
        ["select"] = (f, v, a) => f.Select(v, a, byAttribute: false, keep: true),
        ["reject"] = (f, v, a) => f.Select(v, a, byAttribute: false, keep: false),
        ["selectattr"] = (f, v, a) => f.Select(v, a, byAttribute: true, keep: true),
        ["rejectattr"] = (f, v, a) => f.Select(v, a, byAttribute: true, keep: false),
        ["replace"] = (f, v, a) => PythonText.Replace(PythonObject.ToText(v), PythonObject.ToText(a.Get(0, "old")), PythonObject.ToText(a.Get(1, "new")), a.Integer(2, "count", -1), f._limits),
        ["reverse"] = (_, v, _) => v is string s ? string.Concat(s.EnumerateRunes().Reverse()) : PythonObject.Iterate(v).Reverse().ToList(),
        ["round"] = (_, v, a) => Round(v, a),
        ["safe"] = (_, v, _) => PythonObject.ToText(v),
        ["string"] = (_, v, _) => PythonObject.ToText(v),
        ["slice"] = (f, v, a) => f.Slice(v, a),
        ["sort"] = (_, v, a) => Sort(v, a),
        ["sum"] = (f, v, a) => f.Sum(v, a),
        ["title"] = (_, v, _) => PythonText.TitleWords(PythonObject.ToText(v)),
        ["tojson"] = (f, v, a) => f.Made(JinjaJson.Write(v, a)),
        ["trim"] = (_, v, a) => PythonText.Strip(PythonObject.ToText(v), a.Find(0, "chars") is null or JinjaNone ? null : a.Text(0, "chars")),
        ["truncate"] = (_, v, a) => Truncate(PythonObject.ToText(v), a),
        ["unique"] = (_, v, a) => Unique(v, a),
        ["urlencode"] = (_, v, _) => Uri.EscapeDataString(PythonObject.ToText(v)).Replace("%2F", "/", StringComparison.Ordinal),
        ["wordcount"] = (_, v, _) => (long)PythonText.Split(PythonObject.ToText(v), null, -1, false).Count,
    };

    private readonly JinjaLimits _limits;

    public JinjaFilters(JinjaLimits limits) => _limits = limits;

    public static bool Exists(string name) => Known.ContainsKey(name);

    public object Apply(string name, object value, CallArguments arguments, int line) => Known.TryGetValue(name, out var filter)
        ? filter(this, value, arguments) : throw new ChatTemplateException($"line {line}: No filter named '{name}'.");

    private static ChatTemplateException Bad(string filter, object value) => value is JinjaUndefined u ? u.Error
        : new ChatTemplateException($"bad operand type for {filter}: '{PythonObject.TypeName(value)}'");

    private string Made(string text)
    {
        _limits.Make(text.Length);
        return text;
    }

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

    // "a.b.0": attributes and items of items.
    private static object Path(object value, object path)
    {
        if (path is not string text) return JinjaEvaluator.Item(value, path);
        foreach (var part in text.Split('.'))
            value = long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? JinjaEvaluator.Item(value, index) : JinjaEvaluator.Item(value, part);
        return value;
    }

    private static object Folded(object value, CallArguments a, int caseIndex) =>
        value is string s && !a.Flag(caseIndex, "case_sensitive", false) ? s.ToLowerInvariant() : value;

    private static List<object> Sorted(IEnumerable<object> items, Func<object, object> key, bool reverse)
    {
        var byKey = Comparer<object>.Create((x, y) => PythonObject.Compare(x, y));
        var keyed = items.Select(i => (Key: key(i), Item: i)).ToList();
        return [.. (reverse ? keyed.OrderByDescending(k => k.Key, byKey) : keyed.OrderBy(k => k.Key, byKey)).Select(k => k.Item)];
    }

    private static List<object> Sort(object value, CallArguments a)
    {
        var attribute = a.Find(2, "attribute");
        return Sorted(PythonObject.Iterate(value), item =>
        {
            if (attribute is null or JinjaNone) return Folded(item, a, 1);
            if (attribute is string names && names.Contains(','))
                return new JinjaTuple([.. names.Split(',').Select(n => Folded(Path(item, n.Trim()), a, 1))]);
            return Folded(Path(item, attribute), a, 1);
        }, a.Flag(0, "reverse", false));
    }

    private static List<object> DictSort(object value, CallArguments a)
    {
        if (value is not JinjaDict dict) throw Bad("dictsort", value);
        var place = a.Text(1, "by", "key") switch { "key" => 0, "value" => 1, _ => throw new ChatTemplateException("You can only sort by either \"key\" or \"value\"") };
        return Sorted(dict.Items.Select(i => (object)new JinjaTuple([i.Key, i.Value])), pair => Folded(((JinjaTuple)pair).Items[place], a, 0), a.Flag(2, "reverse", false));
    }

    private static List<object> Unique(object value, CallArguments a)
    {
        var seen = new JinjaDict();
        var result = new List<object>();
        foreach (var item in PythonObject.Iterate(value))
        {
            var key = Folded(a.Find(1, "attribute") is { } attribute and not JinjaNone ? Path(item, attribute) : item, a, 0);
            if (seen.TryGet(key, out _)) continue;
            seen[key] = true;
            result.Add(item);
        }
        return result;
    }

    private static object Extreme(object value, CallArguments a, int sign)
    {
        object? best = null, bestKey = null;
        foreach (var item in PythonObject.Iterate(value))
        {
            var key = Folded(a.Find(1, "attribute") is { } attribute and not JinjaNone ? Path(item, attribute) : item, a, 0);
            if (bestKey is not null && PythonObject.Compare(key, bestKey) * sign <= 0) continue;
            (best, bestKey) = (item, key);
        }
        return best ?? new JinjaUndefined("No aggregated item, sequence was empty.");
    }

    private object Sum(object value, CallArguments a)
    {
        var total = a.Find(1, "start") ?? 0L;
        foreach (var item in PythonObject.Iterate(value))
            total = JinjaOperators.Binary("+", total, a.Find(0, "attribute") is { } attribute and not JinjaNone ? Path(item, attribute) : item, _limits);
        return total;
    }

    private string Join(object value, CallArguments a)
    {
        var items = PythonObject.Iterate(value);
        return PythonText.Join(a.Find(1, "attribute") is { } attribute and not JinjaNone ? items.Select(i => Path(i, attribute)) : items, a.Text(0, "d", ""), _limits);
    }

    private List<object> Map(object value, CallArguments a)
    {
        if (!PythonObject.IsTrue(value)) return [];
        var items = PythonObject.Iterate(value);
        _limits.MakeItems(items.Count);
        if (a.Named.TryGetValue("attribute", out var attribute))
            return [.. items.Select(i => Path(i, attribute) is var found && found is JinjaUndefined && a.Named.TryGetValue("default", out var otherwise) ? otherwise : found)];
        var name = a.Text(0, "filter");
        var rest = new CallArguments(name, [.. a.Positional.Skip(1)], a.Named, a.Limits);
        return [.. items.Select(i => Apply(name, i, rest, 0))];
    }

    private List<object> Select(object value, CallArguments a, bool byAttribute, bool keep)
    {
        if (!PythonObject.IsTrue(value)) return [];
        var items = PythonObject.Iterate(value);
        _limits.MakeItems(items.Count);
        var at = byAttribute ? 1 : 0;
        var test = a.Positional.Count > at ? a.Text(at, "test") : null;
        var rest = new CallArguments(test ?? "", [.. a.Positional.Skip(at + 1)], a.Named, a.Limits);
        return [.. items.Where(item =>
        {
            var tested = byAttribute ? Path(item, a.Get(0, "attribute")) : item;
            return (test is null ? PythonObject.IsTrue(tested) : JinjaTests.Apply(test, tested, rest, 0)) == keep;
        })];
    }

    private List<object> GroupBy(object value, CallArguments a)
    {
        var attribute = a.Get(0, "attribute");
        object Key(object item) => Path(item, attribute) is var found && found is JinjaUndefined && a.Find(1, "default") is { } otherwise ? otherwise : found;
        var groups = new List<object>();
        foreach (var item in Sorted(PythonObject.Iterate(value), i => Folded(Key(i), a, 2), false))
        {
            if (groups.Count > 0 && groups[^1] is JinjaTuple last && PythonObject.AreEqual(Folded(last.Items[0], a, 2), Folded(Key(item), a, 2)))
                ((List<object>)last.Items[1]).Add(item);
            else groups.Add(new JinjaTuple([Key(item), new List<object> { item }]));
        }
        return groups;
    }

    private List<object> Batch(object value, CallArguments a)
    {
        var size = (int)Math.Clamp(a.Integer(0, "linecount", 1), 1, JinjaLimits.MaxItems);
        var batches = PythonObject.Iterate(value).Chunk(size).Select(c => c.ToList()).ToList();
        if (batches.Count > 0 && a.Find(1, "fill_with") is { } fill and not JinjaNone)
        {
            _limits.MakeItems(size);
            while (batches[^1].Count < size) batches[^1].Add(fill);
        }
        return [.. batches];
    }

    private List<object> Slice(object value, CallArguments a)
    {
        var items = PythonObject.Iterate(value);
        var slices = (int)Math.Clamp(a.Integer(0, "slices", 1), 1, JinjaLimits.MaxItems);
        _limits.MakeItems(slices);
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
        var lines = text.Split('\n');
        _limits.Make(text.Length + (long)lines.Length * prefix.Length);
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < lines.Length; i++)
        {
            if (i > 0) result.Append('\n');
            if ((i > 0 || first) && (blank || lines[i].Length > 0)) result.Append(prefix);
            result.Append(lines[i]);
        }
        return result.ToString();
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
