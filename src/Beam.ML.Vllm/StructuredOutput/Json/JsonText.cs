using System.Globalization;
using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>How JSON writes characters, strings and given values.</summary>
internal static class JsonText
{
    /// <summary>Characters that must be escaped.</summary>
    private static readonly CodePointSet Escaped = CodePointSet.Of((0, 0x1F), ('"', '"'), ('\\', '\\'));

    private static readonly CodePointSet Hex = CodePointSet.Of(('0', '9'), ('A', 'F'), ('a', 'f'));

    /// <summary>A character of a string: itself, or any escape that stands for a character.</summary>
    public static Expr AnyCharacter { get; } = Expr.Alt(
        Expr.Char(Escaped.Complement()),
        Expr.Seq(Expr.Text("\\"), Expr.Alt(Expr.Char(CodePointSet.Of("\"\\/bfnrt".Select(c => ((int)c, (int)c)))), UnicodeEscape())));

    /// <summary>Characters of a set, each in one way: escaped only where it must be.</summary>
    public static Expr Characters(CodePointSet set)
    {
        var plain = set.Except(Escaped);
        var options = new List<Expr>();
        if (!plain.IsEmpty) options.Add(Expr.Char(plain));
        foreach (var (low, high) in set.Intersect(Escaped).Ranges)
            for (var point = low; point <= high; point++) options.Add(Expr.Text(Escape((char)point)));
        return Expr.Alt(options);
    }

    /// <summary>A string in quotes.</summary>
    public static string Quote(string text)
    {
        var json = new StringBuilder("\"");
        foreach (var rune in text.EnumerateRunes())
            if (Escaped.Contains(rune.Value)) json.Append(Escape((char)rune.Value));
            else json.Append(rune.ToString());
        return json.Append('"').ToString();
    }

    /// <summary>A given value. Numbers come out as the schema writes them.</summary>
    public static Expr Value(JsonElement value, JsonLayout layout)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                return Expr.Text(Quote(value.GetString()!));
            case JsonValueKind.Array:
                return Bracketed("[", [.. value.EnumerateArray().Select(v => Value(v, layout))], "]", layout);
            case JsonValueKind.Object:
                return Bracketed("{", [.. value.EnumerateObject().Select(p => Expr.Seq(Expr.Text(Quote(p.Name)), layout.Colon, Value(p.Value, layout)))], "}", layout);
            default:
                return Expr.Text(value.GetRawText());
        }
    }

    private static Expr Bracketed(string open, Expr[] items, string close, JsonLayout layout)
    {
        var parts = new List<Expr> { Expr.Text(open), layout.Blanks };
        for (var i = 0; i < items.Length; i++)
        {
            if (i > 0) parts.Add(layout.Comma);
            parts.Add(items[i]);
        }
        if (items.Length > 0) parts.Add(layout.Blanks);
        parts.Add(Expr.Text(close));
        return Expr.Seq(parts);
    }

    private static string Escape(char c) => c switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => "\\u" + ((int)c).ToString("x4", CultureInfo.InvariantCulture),
    };

    // \uXXXX of a character, or two that are a surrogate pair; half of one is not text.
    private static Expr UnicodeEscape()
    {
        var digit = Expr.Char(Hex);
        Expr D() => Expr.Char(CodePointSet.Of(('d', 'd'), ('D', 'D')));
        var notD = Expr.Char(Hex.Except(CodePointSet.Of(('d', 'd'), ('D', 'D'))));
        var low = Expr.Char(CodePointSet.Of(('0', '7')));
        var high = Expr.Char(CodePointSet.Of(('8', '9'), ('A', 'B'), ('a', 'b')));
        var trailing = Expr.Char(CodePointSet.Of(('C', 'F'), ('c', 'f')));
        return Expr.Seq(Expr.Text("u"), Expr.Alt(
            Expr.Seq(notD, digit, digit, digit),
            Expr.Seq(D(), low, digit, digit),
            Expr.Seq(D(), high, digit, digit, Expr.Text("\\u"), D(), trailing, digit, digit)));
    }
}
