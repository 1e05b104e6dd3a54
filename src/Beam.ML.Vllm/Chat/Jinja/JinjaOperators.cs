using System.Text;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Python's operators on values.</summary>
internal static class JinjaOperators
{
    public static object Unary(string op, object value)
    {
        if (op == "not") return !PythonObject.IsTrue(value);
        return value switch
        {
            // Each boxed as what it is: a switch of numbers would make all of them double.
            long l => (object)(op == "-" ? unchecked(-l) : l),
            double d => op == "-" ? -d : d,
            bool b => op == "-" ? (b ? -1L : 0L) : (b ? 1L : 0L),
            JinjaUndefined u => throw u.Error,
            _ => throw new ChatTemplateException($"bad operand type for unary {op}: '{PythonObject.TypeName(value)}'"),
        };
    }

    public static bool Compare(string op, object left, object right, JinjaLimits limits) => op switch
    {
        "==" => PythonObject.AreEqual(left, right, limits),
        "!=" => !PythonObject.AreEqual(left, right, limits),
        "in" => PythonObject.Contains(right, left, limits),
        "not in" => !PythonObject.Contains(right, left, limits),
        "<" => PythonObject.Compare(left, right, limits, op) < 0,
        "<=" => PythonObject.Compare(left, right, limits, op) <= 0,
        ">" => PythonObject.Compare(left, right, limits, op) > 0,
        _ => PythonObject.Compare(left, right, limits, op) >= 0,
    };

    public static object Binary(string op, object left, object right, JinjaLimits limits)
    {
        if (left is JinjaUndefined u) throw u.Error;
        if (right is JinjaUndefined v) throw v.Error;
        try
        {
            return (op, left, right) switch
            {
                ("+", string a, string b) => Join(a, b, limits),
                ("+", List<object> a, List<object> b) => Join(a, b, limits),
                ("+", JinjaTuple a, JinjaTuple b) => new JinjaTuple(Join(a.Items, b.Items, limits)),
                ("*", string a, long n) => Repeat(a, n, limits),
                ("*", long n, string a) => Repeat(a, n, limits),
                ("*", List<object> a, long n) => Repeat(a, n, limits),
                ("*", long n, List<object> a) => Repeat(a, n, limits),
                ("%", string format, _) => Format(format, right, limits),
                _ => Arithmetic(op, left, right),
            };
        }
        catch (OverflowException)
        {
            throw new ChatTemplateException($"the result of {op} is too large");
        }
    }

    private static object Arithmetic(string op, object left, object right)
    {
        if (PythonObject.AsNumber(left) is not { } x || PythonObject.AsNumber(right) is not { } y)
            throw new ChatTemplateException($"unsupported operand type(s) for {op}: '{PythonObject.TypeName(left)}' and '{PythonObject.TypeName(right)}'");
        if (op is "/" or "//" or "%" && y == 0) throw new ChatTemplateException("division by zero");
        if (left is double || right is double || op == "/")
            return op switch
            {
                "+" => x + y,
                "-" => x - y,
                "*" => x * y,
                "/" => x / y,
                "//" => Math.Floor(x / y),
                "%" => x - y * Math.Floor(x / y),
                _ => Math.Pow(x, y),
            };
        var (a, b) = (Integer(left), Integer(right));
        checked
        {
            return op switch
            {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "//" => a / b - (a % b != 0 && a < 0 != b < 0 ? 1 : 0),
                "%" => a % b + (a % b != 0 && a < 0 != b < 0 ? b : 0),
                _ => b < 0 ? Math.Pow(a, b) : Power(a, b),
            };
        }
    }

    private static long Integer(object value) => value is long l ? l : (bool)value ? 1 : 0;

    private static object Power(long value, long exponent)
    {
        long result = 1;
        checked
        {
            for (; exponent > 0; exponent >>= 1)
            {
                if ((exponent & 1) != 0) result *= value;
                if (exponent > 1) value *= value;
            }
        }
        return result;
    }

    private static string Join(string a, string b, JinjaLimits limits)
    {
        limits.Make((long)a.Length + b.Length);
        return a + b;
    }

    private static List<object> Join(IReadOnlyList<object> a, IReadOnlyList<object> b, JinjaLimits limits)
    {
        limits.Items((long)a.Count + b.Count);
        return [.. a, .. b];
    }

    private static string Repeat(string text, long times, JinjaLimits limits)
    {
        if (times <= 0 || text.Length == 0) return "";
        limits.Make(times > JinjaLimits.MaxText ? times : text.Length * times);
        return new StringBuilder().Insert(0, text, (int)times).ToString();
    }

    private static List<object> Repeat(List<object> list, long times, JinjaLimits limits)
    {
        if (times <= 0 || list.Count == 0) return [];
        limits.Items(times > JinjaLimits.MaxItems ? times : list.Count * times);
        var result = new List<object>(list.Count * (int)times);
        for (var i = 0; i < times; i++) result.AddRange(list);
        return result;
    }

    // The conversions of Python's % that templates use: %s, %r, %d, %i, %f with a precision, and %%.
    public static string Format(string format, object arguments, JinjaLimits limits)
    {
        var values = arguments is JinjaTuple tuple ? tuple.Items : [arguments];
        var result = new JinjaText(limits);
        var next = 0;
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                result.Append(format[i]);
                continue;
            }
            var end = i + 1;
            var precision = 6;
            if (end < format.Length && format[end] == '.')
            {
                var digits = end + 1;
                while (digits < format.Length && char.IsAsciiDigit(format[digits])) digits++;
                precision = int.TryParse(format.AsSpan(end + 1, digits - end - 1), out var p) && p <= 30 ? p : throw new ChatTemplateException("a format's precision cannot be used");
                end = digits;
            }
            if (end >= format.Length) throw new ChatTemplateException("incomplete format");
            if (format[end] == '%') result.Append('%');
            else
            {
                if (next >= values.Count) throw new ChatTemplateException("not enough arguments for format string");
                var value = values[next++];
                result.Append(format[end] switch
                {
                    's' => PythonObject.ToText(value, limits),
                    'r' => PythonObject.ToQuotedText(value, limits),
                    'd' or 'i' when PythonObject.AsNumber(value) is { } number => Math.Truncate(number).ToString("F0", System.Globalization.CultureInfo.InvariantCulture),
                    'f' when PythonObject.AsNumber(value) is { } number => number.ToString("F" + precision, System.Globalization.CultureInfo.InvariantCulture),
                    _ => throw new ChatTemplateException($"unsupported format '%{format[end]}' for '{PythonObject.TypeName(value)}'"),
                });
            }
            i = end;
        }
        if (next < values.Count && arguments is JinjaTuple) throw new ChatTemplateException("not all arguments converted during string formatting");
        return result.ToString();
    }
}
