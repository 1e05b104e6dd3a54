using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>Strings, by length, pattern and format. A pattern is of the text itself, which JSON may have to escape.</summary>
internal static class StringSchemas
{
    private const string Date =
        "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))" +
        "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";

    private const string Time = @"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
    private const string Octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    private const string IPv4 = Octet + @"(?:\." + Octet + "){3}";
    private const string Group = "[0-9A-Fa-f]{1,4}";
    private const string Label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    private const string HostName = Label + @"(?:\." + Label + ")*";
    private const string UriCharacter = @"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})";

    private static readonly Dictionary<string, string> Patterns = new(StringComparer.Ordinal)
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = Date + "[Tt]" + Time,
        ["duration"] = "P(?:[0-9]+W|(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)(?:T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S))?|T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S))",
        ["email"] = @"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@" + HostName,
        ["hostname"] = HostName,
        ["ipv4"] = IPv4,
        ["ipv6"] = IPv6(),
        ["uuid"] = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
        ["uri"] = "[A-Za-z][A-Za-z0-9+.-]*:" + UriCharacter + "+(?:#" + UriCharacter + "*)?",
        ["uri-reference"] = UriCharacter + "*(?:#" + UriCharacter + "*)?",
        ["json-pointer"] = "(?:/(?:[^~/]|~[01])*)*",
    };

    public static Expr Of(SchemaKeywords schema, Expr anyCharacter)
    {
        Expr content;
        if (schema.MaxLength < schema.MinLength) return Expr.Never;
        if (schema.Patterns.Count == 0 && schema.Formats.Count == 0)
        {
            content = Expr.Repeat(anyCharacter, schema.MinLength, schema.MaxLength);
        }
        else if (schema.Patterns.Count + schema.Formats.Count == 1 && schema.MinLength == 0 && schema.MaxLength is null)
        {
            content = Conditions(schema).Single().Rewrite(Write);
        }
        else content = new DfaExpr(schema.Texts, JsonText.Characters);
        return Expr.Seq(Expr.Text("\""), content, Expr.Text("\""));

        Expr Write(CodePointSet set)
        {
            schema.Work.Charge(set.Ranges.Length + 1);
            return JsonText.Characters(set);
        }
    }

    /// <summary>The texts themselves that fit.</summary>
    public static CharDfa TextsOf(SchemaKeywords schema)
    {
        var work = schema.Work;
        var dfa = CharDfa.OfLength(schema.MinLength, schema.MaxLength, work);
        foreach (var condition in Conditions(schema)) dfa = CharDfa.Of(condition, work).Intersect(dfa, work);
        return dfa;
    }

    private static IEnumerable<Expr> Conditions(SchemaKeywords schema) =>
        schema.Patterns.Select(p => RegexParser.Parse(p, schema.Work, search: true)).Concat(schema.Formats.Select(f => RegexParser.Parse(
            Patterns.GetValueOrDefault(f) ?? throw schema.Error($"the format '{f}' is not supported; there are {string.Join(", ", Patterns.Keys)}. A pattern says the same"), schema.Work)));

    // Eight groups, or fewer with one :: for those left out.
    private static string IPv6()
    {
        var forms = new List<string> { $"(?:{Group}:){{7}}{Group}", $"(?:{Group}:){{6}}{IPv4}" };
        for (var before = 0; before <= 7; before++)
        {
            var left = before == 0 ? "" : $"{Group}(?::{Group}){{{before - 1}}}";
            var most = 7 - before;
            forms.Add(most == 0 ? $"{left}::" : $"{left}::(?:{Group}(?::{Group}){{0,{most - 1}}})?");
        }
        return $"(?:{string.Join('|', forms)})";
    }
}
