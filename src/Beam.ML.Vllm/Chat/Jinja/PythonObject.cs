using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>What Python does with any value: truth, equality, order, length, iteration, and writing it as text.</summary>
internal static class PythonObject
{
    public static bool IsTrue(object value) => value switch
    {
        bool b => b,
        long l => l != 0,
        double d => d != 0,
        string s => s.Length > 0,
        List<object> l => l.Count > 0,
        JinjaTuple t => t.Items.Count > 0,
        JinjaDict d => d.Count > 0,
        JinjaNone or JinjaUndefined => false,
        _ => true,
    };

    public static bool AreEqual(object a, object b, JinjaLimits limits)
    {
        limits.Touch();
        if (AsNumber(a) is { } x && AsNumber(b) is { } y) return a is long l && b is long m ? l == m : x == y;
        if (ReferenceEquals(a, b)) return true;
        return (a, b) switch
        {
            (string s, string t) => s.Length == t.Length && CommonLength(s, t, limits) == s.Length,
            (List<object> s, List<object> t) => SequencesEqual(s, t, limits),
            (JinjaTuple s, JinjaTuple t) => SequencesEqual(s.Items, t.Items, limits),
            (JinjaDict s, JinjaDict t) => DictsEqual(s, t, limits),
            (JinjaUndefined, JinjaUndefined) => true,
            _ => false,
        };
    }

    public static int Compare(object a, object b, JinjaLimits limits, string op = "<")
    {
        limits.Touch();
        if (a is long l && b is long m) return l.CompareTo(m);
        if (AsNumber(a) is { } x && AsNumber(b) is { } y) return x.CompareTo(y);
        switch (a, b)
        {
            case (string s, string t):
                return CompareText(s, t, limits);
            case (List<object> s, List<object> t):
                return CompareSequences(s, t, limits, op);
            case (JinjaTuple s, JinjaTuple t):
                return CompareSequences(s.Items, t.Items, limits, op);
        }
        if (a is JinjaUndefined u) throw u.Error;
        if (b is JinjaUndefined v) throw v.Error;
        throw new ChatTemplateException($"'{op}' not supported between instances of '{TypeName(a)}' and '{TypeName(b)}'");
    }

    public static double? AsNumber(object value) => value switch
    {
        bool b => b ? 1 : 0,
        long l => l,
        double d => d,
        _ => null,
    };

    /// <summary>The items of a list or a tuple, which are at hand; null for other values.</summary>
    public static IReadOnlyList<object>? Items(object value) => value switch
    {
        List<object> list => list,
        JinjaTuple tuple => tuple.Items,
        _ => null,
    };

    /// <summary>The items that a loop walks through; a text's are its characters, a dictionary's its keys.</summary>
    public static IReadOnlyList<object> Iterate(object value, JinjaLimits limits)
    {
        limits.Items(value is string s ? s.Length : value is JinjaDict d ? d.Count : Items(value)?.Count ?? 0);
        // Each character becomes an object.
        if (value is string characters) limits.Read(16L * characters.Length);
        return value switch
        {
            JinjaDict dict => [.. dict.Keys],
            string text => [.. text.EnumerateRunes().Select(r => (object)r.ToString())],
            JinjaUndefined => [],
            _ => Items(value) ?? throw new ChatTemplateException($"'{TypeName(value)}' object is not iterable"),
        };
    }

    /// <summary>The item at a place, counted from the end if negative; a text's is a character. Null if there is none.</summary>
    public static object? ItemAt(object value, long place, JinjaLimits limits)
    {
        if (value is string text) return PythonText.CharacterAt(text, place, limits);
        var items = Items(value) ?? Iterate(value, limits);
        if (place < 0) place += items.Count;
        return place >= 0 && place < items.Count ? items[(int)place] : null;
    }

    /// <summary>Sorts items by a key, those of equal ones in their order.</summary>
    public static List<object> Sort(IReadOnlyCollection<object> items, Func<object, object> key, bool reverse, JinjaLimits limits)
    {
        var byKey = Comparer<object>.Create((x, y) => Compare(x, y, limits));
        var keyed = items.Select(i => (Key: key(i), Item: i)).ToList();
        try
        {
            return [.. (reverse ? keyed.OrderByDescending(k => k.Key, byKey) : keyed.OrderBy(k => k.Key, byKey)).Select(k => k.Item)];
        }
        catch (InvalidOperationException e) when (e.InnerException is ChatTemplateException or OperationCanceledException)
        {
            // What .NET makes of an exception of a comparer.
            ExceptionDispatchInfo.Throw(e.InnerException);
            throw;
        }
    }

    public static long Length(object value, JinjaLimits limits) => value switch
    {
        string text => PythonText.Length(text, limits),
        List<object> list => list.Count,
        JinjaTuple tuple => tuple.Items.Count,
        JinjaDict dict => dict.Count,
        JinjaUndefined => 0,
        _ => throw new ChatTemplateException($"object of type '{TypeName(value)}' has no len()"),
    };

    public static bool Contains(object container, object item, JinjaLimits limits) => container switch
    {
        string text => item is string part ? PythonText.Find(text, part, limits) >= 0
            : throw new ChatTemplateException($"'in <string>' requires string as left operand, not {TypeName(item)}"),
        JinjaDict dict => dict.TryGet(item, out _),
        List<object> or JinjaTuple or JinjaUndefined => Iterate(container, limits).Any(i => AreEqual(i, item, limits)),
        _ => throw new ChatTemplateException($"argument of type '{TypeName(container)}' is not iterable"),
    };

    /// <summary>What <c>str()</c> gives.</summary>
    public static string ToText(object value, JinjaLimits limits)
    {
        if (value is string text) return text;
        if (value is JinjaUndefined) return "";
        var result = new JinjaText(limits);
        Write(value, result);
        return result.ToString();
    }

    /// <summary>What <c>repr()</c> gives.</summary>
    public static string ToQuotedText(object value, JinjaLimits limits)
    {
        var result = new JinjaText(limits);
        Write(value, result);
        return result.ToString();
    }

    public static string TypeName(object value) => value switch
    {
        bool => "bool",
        long => "int",
        double => "float",
        string => "str",
        List<object> => "list",
        JinjaTuple => "tuple",
        JinjaDict => "dict",
        JinjaNone => "NoneType",
        JinjaUndefined => "Undefined",
        JinjaNamespace => "Namespace",
        _ => "function",
    };

    /// <summary>How Python writes a float.</summary>
    public static string FloatText(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        if (value == 0) return double.IsNegative(value) ? "-0.0" : "0.0";
        var shortest = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        var mantissa = shortest.IndexOf('E') is >= 0 and var e ? shortest[..e] : shortest;
        var exponent = mantissa.Length < shortest.Length ? int.Parse(shortest.AsSpan(mantissa.Length + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) : 0;
        var point = mantissa.IndexOf('.') is >= 0 and var p ? p : mantissa.Length;
        var allDigits = mantissa.Replace(".", "", StringComparison.Ordinal);
        var leading = allDigits.Length - allDigits.TrimStart('0').Length;
        exponent += point - 1 - leading;
        var digits = allDigits.Trim('0');
        var sign = value < 0 ? "-" : "";
        if (exponent is < -4 or >= 16)
            return $"{sign}{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        if (exponent < 0) return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        var whole = digits.PadRight(exponent + 1, '0');
        return $"{sign}{whole[..(exponent + 1)]}.{(whole.Length > exponent + 1 ? whole[(exponent + 1)..] : "0")}";
    }

    private static void WriteQuoted(string text, JinjaText result)
    {
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        result.Append(quote);
        foreach (var c in text)
        {
            if (c == quote || c == '\\') result.Append('\\').Append(c);
            else if (c == '\n') result.Append("\\n");
            else if (c == '\r') result.Append("\\r");
            else if (c == '\t') result.Append("\\t");
            else if (c < ' ' || c == 0x7F) result.Append($"\\x{(int)c:x2}");
            else result.Append(c);
        }
        result.Append(quote);
    }

    private static void Write(object value, JinjaText result)
    {
        result.Limits.EnterValue();
        switch (value)
        {
            case bool b: result.Append(b ? "True" : "False"); break;
            case long l: result.Append(l.ToString(CultureInfo.InvariantCulture)); break;
            case double d: result.Append(FloatText(d)); break;
            case string s: WriteQuoted(s, result); break;
            case JinjaNone: result.Append("None"); break;
            case JinjaUndefined: result.Append("Undefined"); break;
            case List<object> list: WriteItems(list, '[', ']', result); break;
            case JinjaTuple tuple:
                WriteItems(tuple.Items, '(', tuple.Items.Count == 1 ? ',' : ')', result);
                if (tuple.Items.Count == 1) result.Append(')');
                break;
            case JinjaDict dict:
                result.Append('{');
                var first = true;
                foreach (var (key, item) in dict.Items)
                {
                    if (!first) result.Append(", ");
                    first = false;
                    Write(key, result);
                    result.Append(": ");
                    Write(item, result);
                }
                result.Append('}');
                break;
            case JinjaFunction function: result.Append("<function ").Append(function.Name).Append('>'); break;
            default: result.Append('<').Append(TypeName(value)).Append('>'); break;
        }

        result.Limits.Leave();
    }

    private static void WriteItems(IReadOnlyList<object> items, char start, char end, JinjaText result)
    {
        result.Append(start);
        for (var i = 0; i < items.Count; i++)
        {
            if (i > 0) result.Append(", ");
            Write(items[i], result);
        }
        result.Append(end);
    }

    private static bool SequencesEqual(IReadOnlyList<object> a, IReadOnlyList<object> b, JinjaLimits limits)
    {
        limits.EnterValue();
        var equal = a.Count == b.Count;
        for (var i = 0; equal && i < a.Count; i++) equal = AreEqual(a[i], b[i], limits);
        limits.Leave();
        return equal;
    }

    private static bool DictsEqual(JinjaDict a, JinjaDict b, JinjaLimits limits)
    {
        limits.EnterValue();
        var equal = a.Count == b.Count && a.Items.All(i => b.TryGet(i.Key, out var other) && AreEqual(i.Value, other, limits));
        limits.Leave();
        return equal;
    }

    private static int CompareSequences(IReadOnlyList<object> a, IReadOnlyList<object> b, JinjaLimits limits, string op)
    {
        limits.EnterValue();
        var common = Math.Min(a.Count, b.Count);
        var at = 0;
        while (at < common && AreEqual(a[at], b[at], limits)) at++;
        var order = at < common ? Compare(a[at], b[at], limits, op) : a.Count.CompareTo(b.Count);
        limits.Leave();
        return order;
    }

    // Python orders texts by code point, which UTF-16 does not beyond the first plane.
    private static int CompareText(string a, string b, JinjaLimits limits)
    {
        var i = CommonLength(a, b, limits);
        if (i == a.Length || i == b.Length) return a.Length.CompareTo(b.Length);
        return char.IsSurrogate(a[i]) == char.IsSurrogate(b[i]) ? a[i].CompareTo(b[i]) : char.IsSurrogate(a[i]) ? 1 : -1;
    }

    private static int CommonLength(string a, string b, JinjaLimits limits)
    {
        var length = a.AsSpan().CommonPrefixLength(b);
        limits.Read(length);
        return length;
    }
}
