using System.Globalization;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>The functions that every template finds.</summary>
internal static class JinjaGlobals
{
    public static IEnumerable<KeyValuePair<string, object>> Create(TimeProvider time) => new Dictionary<string, object>
    {
        ["range"] = new JinjaFunction("range", Range),
        ["namespace"] = new JinjaFunction("namespace", Namespace),
        ["dict"] = new JinjaFunction("dict", Dict),
        ["raise_exception"] = new JinjaFunction("raise_exception", a => throw new ChatTemplateException(PythonObject.ToText(a.Get(0, "message"), a.Limits))),
        ["strftime_now"] = new JinjaFunction("strftime_now", a => Format(time.GetLocalNow(), a.Text(0, "format"), a.Limits)),
        ["joiner"] = new JinjaFunction("joiner", Joiner),
        ["cycler"] = new JinjaFunction("cycler", Cycler),
    };

    private static List<object> Range(CallArguments arguments)
    {
        var first = arguments.Integer(0, "start", 0);
        var (start, stop) = arguments.Positional.Count < 2 ? (0, first) : (first, arguments.Integer(1, "stop", 0));
        var step = arguments.Integer(2, "step", 1);
        if (step == 0) throw new ChatTemplateException("range() arg 3 must not be zero");
        var span = step > 0 ? (Int128)stop - start : (Int128)start - stop;
        var size = span <= 0 ? 0 : (span - 1) / Int128.Abs(step) + 1;
        if (size > JinjaLimits.MaxRange) throw new ChatTemplateException($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({JinjaLimits.MaxRange}).");
        arguments.Limits.Items((long)size);
        var items = new List<object>((int)size);
        for (var i = 0; i < (int)size; i++) items.Add(start + i * step);
        return items;
    }

    private static JinjaNamespace Namespace(CallArguments arguments)
    {
        var space = new JinjaNamespace();
        if (arguments.Positional.Count > 0 && arguments.Positional[0] is JinjaDict from)
        {
            arguments.Limits.Items(from.Count);
            foreach (var (key, value) in from.Items) space.Attributes[PythonObject.ToText(key, arguments.Limits)] = value;
        }
        foreach (var (name, value) in arguments.Named) space.Attributes[name] = value;
        return space;
    }

    private static JinjaDict Dict(CallArguments arguments)
    {
        var limits = arguments.Limits;
        var dict = new JinjaDict(limits);
        if (arguments.Positional.Count > 0)
        {
            if (arguments.Positional[0] is JinjaDict from)
                foreach (var (key, value) in from.Items) dict[key] = value;
            else
                foreach (var pair in PythonObject.Iterate(arguments.Positional[0], limits))
                {
                    var items = PythonObject.Iterate(pair, limits);
                    if (items.Count != 2) throw new ChatTemplateException("dict() needs pairs");
                    dict[items[0]] = items[1];
                }
        }
        foreach (var (name, value) in arguments.Named) dict[name] = value;
        return dict;
    }

    private static JinjaFunction Joiner(CallArguments arguments)
    {
        var separator = arguments.Text(0, "sep", ", ");
        var used = false;
        return new JinjaFunction("joiner", _ =>
        {
            var text = used ? separator : "";
            used = true;
            return text;
        });
    }

    private static JinjaNamespace Cycler(CallArguments arguments)
    {
        if (arguments.Positional.Count == 0) throw new ChatTemplateException("at least one item has to be provided");
        var at = 0;
        var cycler = new JinjaNamespace();
        cycler.Attributes["current"] = arguments.Positional[0];
        cycler.Attributes["next"] = new JinjaFunction("next", _ =>
        {
            var item = arguments.Positional[at];
            MoveTo((at + 1) % arguments.Positional.Count);
            return item;
        });
        cycler.Attributes["reset"] = new JinjaFunction("reset", _ =>
        {
            MoveTo(0);
            return JinjaNone.Value;
        });
        return cycler;

        void MoveTo(int place)
        {
            at = place;
            cycler.Attributes["current"] = arguments.Positional[at];
        }
    }

    // C's strftime, as Python has it.
    private static string Format(DateTimeOffset now, string format, JinjaLimits limits)
    {
        var result = new JinjaText(limits);
        var culture = CultureInfo.InvariantCulture;
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 >= format.Length)
            {
                result.Append(format[i]);
                continue;
            }
            var unpadded = format[i + 1] == '-' && i + 2 < format.Length;
            i += unpadded ? 2 : 1;
            var text = format[i] switch
            {
                'Y' => now.ToString("yyyy", culture),
                'y' => now.ToString("yy", culture),
                'm' => now.ToString("MM", culture),
                'd' => now.ToString("dd", culture),
                'e' => now.Day.ToString(culture).PadLeft(2),
                'B' => now.ToString("MMMM", culture),
                'b' or 'h' => now.ToString("MMM", culture),
                'A' => now.ToString("dddd", culture),
                'a' => now.ToString("ddd", culture),
                'H' => now.ToString("HH", culture),
                'I' => now.ToString("hh", culture),
                'M' => now.ToString("mm", culture),
                'S' => now.ToString("ss", culture),
                'f' => now.ToString("ffffff", culture),
                'p' => now.ToString("tt", culture),
                'j' => now.DayOfYear.ToString("000", culture),
                'w' => ((int)now.DayOfWeek).ToString(culture),
                'u' => (now.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)now.DayOfWeek).ToString(culture),
                'F' => now.ToString("yyyy-MM-dd", culture),
                'T' => now.ToString("HH:mm:ss", culture),
                'R' => now.ToString("HH:mm", culture),
                'D' or 'x' => now.ToString("MM/dd/yy", culture),
                'X' => now.ToString("HH:mm:ss", culture),
                'c' => now.ToString("ddd MMM ", culture) + now.Day.ToString(culture).PadLeft(2) + now.ToString(" HH:mm:ss yyyy", culture),
                'z' or 'Z' => "",
                'n' => "\n",
                't' => "\t",
                '%' => "%",
                var other => throw new ChatTemplateException($"strftime_now() does not know the format '%{other}'"),
            };
            result.Append(unpadded ? text.TrimStart('0', ' ') is { Length: > 0 } trimmed ? trimmed : "0" : text);
        }
        return result.ToString();
    }
}
