using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>The methods of Python's texts, lists and dictionaries that change nothing. Those that do are refused, as in Hugging Face's sandbox.</summary>
internal static class JinjaMethods
{
    public static object? Find(object target, string name) => target switch
    {
        string text when IsTextMethod(name) => new JinjaFunction(name, a => Text(text, name, a)),
        JinjaDict dict when name is "items" or "keys" or "values" or "get" or "copy" => new JinjaFunction(name, a => Dict(dict, name, a)),
        List<object> or JinjaTuple when name is "index" or "count" or "copy" => new JinjaFunction(name, a => Sequence(target, name, a)),
        List<object> when name is "append" or "extend" or "insert" or "pop" or "remove" or "clear" or "sort" or "reverse" => Unsafe(target, name),
        JinjaDict dict when name is "update" or "pop" or "popitem" or "setdefault" or "clear" && !dict.TryGet(name, out _) => Unsafe(target, name),
        _ => null,
    };

    private static JinjaFunction Unsafe(object target, string name) => new(name, _ =>
        throw new ChatTemplateException($"access to attribute '{name}' of '{PythonObject.TypeName(target)}' object is unsafe."));

    private static object Dict(JinjaDict dict, string name, CallArguments a)
    {
        if (name == "get") return dict.TryGet(a.Get(0, "key"), out var value) ? value : a.Find(1, "default") ?? JinjaNone.Value;
        a.Limits.Items(dict.Count);
        return name switch
        {
            "items" => dict.Items.Select(i => (object)new JinjaTuple([i.Key, i.Value])).ToList(),
            "keys" => dict.Keys.ToList(),
            "values" => dict.Values.ToList(),
            // A copy of what nobody can change is as good as it.
            _ => dict,
        };
    }

    private static object Sequence(object target, string name, CallArguments a)
    {
        var items = PythonObject.Iterate(target, a.Limits);
        if (name == "copy") return items.ToList();
        var sought = a.Get(0, "value");
        if (name == "count") return items.LongCount(i => PythonObject.AreEqual(i, sought, a.Limits));
        for (var i = 0; i < items.Count; i++)
            if (PythonObject.AreEqual(items[i], sought, a.Limits)) return (long)i;
        throw new ChatTemplateException($"{PythonObject.ToText(sought, a.Limits)} is not in {PythonObject.TypeName(target)}");
    }

    private static bool IsTextMethod(string name) => name is
        "strip" or "lstrip" or "rstrip" or "split" or "rsplit" or "splitlines" or "startswith" or "endswith" or "upper" or "lower" or "title" or "capitalize" or
        "swapcase" or "casefold" or "replace" or "find" or "rfind" or "index" or "rindex" or "count" or "join" or "format" or "isdigit" or "isdecimal" or "isnumeric" or
        "isalpha" or "isalnum" or "isspace" or "isupper" or "islower" or "removeprefix" or "removesuffix" or "zfill" or "center" or "ljust" or "rjust" or "partition" or "rpartition";

    private static object Text(string text, string name, CallArguments a)
    {
        var limits = a.Limits;
        switch (name)
        {
            // These look at no more than what they look for.
            case "startswith": return Affixes().Any(x => text.StartsWith(x, StringComparison.Ordinal));
            case "endswith": return Affixes().Any(x => text.EndsWith(x, StringComparison.Ordinal));
        }
        limits.Read(text.Length);
        switch (name)
        {
            case "strip": return PythonText.Strip(text, Chars(), limits);
            case "lstrip": return PythonText.Strip(text, Chars(), limits, end: false);
            case "rstrip": return PythonText.Strip(text, Chars(), limits, start: false);
            case "split" or "rsplit":
                return PythonText.Split(text, a.Find(0, "sep") is null or JinjaNone ? null : a.Text(0, "sep"), a.Integer(1, "maxsplit", -1), name == "rsplit", limits);
            case "splitlines": return PythonText.SplitLines(text, a.Flag(0, "keepends", false), limits);
            case "upper": return text.ToUpperInvariant();
            case "lower" or "casefold": return text.ToLowerInvariant();
            case "title": return PythonText.Title(text);
            case "capitalize": return PythonText.Capitalize(text);
            case "swapcase": return string.Concat(text.Select(c => char.IsUpper(c) ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c)));
            case "replace": return PythonText.Replace(text, a.Text(0, "old"), a.Text(1, "new"), a.Integer(2, "count", -1), limits);
            case "find" or "rfind" or "index" or "rindex":
                var at = PythonText.Find(text, a.Text(0, "sub"), limits, fromEnd: name[0] == 'r');
                return at >= 0 ? (long)PythonText.Length(text.AsSpan(0, at)) : name is "find" or "rfind" ? -1L : throw new ChatTemplateException("substring not found");
            case "count": return PythonText.Count(text, a.Text(0, "sub"), limits);
            case "join": return PythonText.Join(PythonObject.Iterate(a.Get(0, "iterable"), limits).Select(i => i is string ? i : throw new ChatTemplateException(
                $"sequence item: expected str instance, {PythonObject.TypeName(i)} found")), text, limits);
            case "format": return Format(text, a);
            case "isdigit" or "isdecimal" or "isnumeric": return text.Length > 0 && text.EnumerateRunes().All(Rune.IsDigit);
            case "isalpha": return text.Length > 0 && text.EnumerateRunes().All(Rune.IsLetter);
            case "isalnum": return text.Length > 0 && text.EnumerateRunes().All(Rune.IsLetterOrDigit);
            case "isspace": return text.Length > 0 && text.All(char.IsWhiteSpace);
            case "isupper": return PythonText.IsUpper(text, limits);
            case "islower": return PythonText.IsLower(text, limits);
            case "removeprefix": return a.Text(0, "prefix") is var prefix && text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text;
            case "removesuffix": return a.Text(0, "suffix") is var suffix && text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text;
            case "zfill": return text.StartsWith('-') || text.StartsWith('+') ? text[..1] + text[1..].PadLeft(Math.Max(0, Width() - 1), '0') : text.PadLeft(Width(), '0');
            case "ljust": return text.PadRight(Width(), Fill());
            case "rjust": return text.PadLeft(Width(), Fill());
            case "center": return text.PadLeft(text.Length + Math.Max(0, (Width() - text.Length) / 2), Fill()).PadRight(Width(), Fill());
            default:
                var separator = a.Text(0, "sep");
                if (separator.Length == 0) throw new ChatTemplateException("empty separator");
                var cut = PythonText.Find(text, separator, limits, fromEnd: name == "rpartition");
                return cut >= 0 ? new JinjaTuple([text[..cut], separator, text[(cut + separator.Length)..]])
                    : name == "partition" ? new JinjaTuple([text, "", ""]) : new JinjaTuple(["", "", text]);
        }

        string? Chars() => a.Find(0, "chars") is null or JinjaNone ? null : a.Text(0, "chars");

        IEnumerable<string> Affixes()
        {
            foreach (var affix in a.Get(0, "prefix") is JinjaTuple tuple ? PythonObject.Iterate(tuple, limits).OfType<string>() : [a.Text(0, "prefix")])
            {
                limits.Read(Math.Min(affix.Length, text.Length));
                yield return affix;
            }
        }

        int Width()
        {
            var width = Math.Max(0, a.Integer(0, "width", 0));
            limits.Make(width);
            return (int)width;
        }

        char Fill() => a.Text(1, "fillchar", " ") is { Length: 1 } fill ? fill[0] : throw new ChatTemplateException("the fill character must be exactly one character long");
    }

    // {} {0} {name} {{ }}; of the formats, none and those of Python's % with a precision.
    private static string Format(string format, CallArguments a)
    {
        var result = new JinjaText(a.Limits);
        var next = 0;
        for (var i = 0; i < format.Length; i++)
        {
            var c = format[i];
            if (c is '{' or '}' && i + 1 < format.Length && format[i + 1] == c)
            {
                result.Append(c);
                i++;
                continue;
            }
            if (c == '}') throw new ChatTemplateException("Single '}' encountered in format string");
            if (c != '{')
            {
                result.Append(c);
                continue;
            }
            var end = format.IndexOf('}', i);
            if (end < 0) throw new ChatTemplateException("expected '}' before end of string");
            var field = format[(i + 1)..end];
            var colon = field.IndexOf(':');
            var (key, spec) = colon < 0 ? (field, "") : (field[..colon], field[(colon + 1)..]);
            var value = key.Length == 0 ? At(next++) : int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? At(index)
                : a.Named.GetValueOrDefault(key) ?? throw new ChatTemplateException($"format() lacks '{key}'");
            result.Append(spec.Length == 0 ? PythonObject.ToText(value, a.Limits) : JinjaOperators.Format("%" + spec, new JinjaTuple([value]), a.Limits));
            i = end;
        }
        return result.ToString();

        object At(int index) => index < a.Positional.Count ? a.Positional[index] : throw new ChatTemplateException("Replacement index out of range for positional args tuple");
    }
}
