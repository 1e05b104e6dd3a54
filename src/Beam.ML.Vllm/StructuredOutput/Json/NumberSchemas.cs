using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>
/// Numbers. Integers are written without a point. Bounds are exact, digit by digit; numbers that have bounds are written without an
/// exponent.
/// </summary>
internal static class NumberSchemas
{
    private const int LargestMultiple = 4096;

    private static readonly Expr Digit = Expr.Char(CodePointSet.Digits);
    private static readonly Expr Digits = Expr.Star(Digit);
    private static readonly Expr NotZero = Expr.Char(CodePointSet.Of(('1', '9')));
    private static readonly Expr AnyFraction = Read(@"(?:\.[0-9]+)?");
    private static readonly Expr Integer = Read("0|-?[1-9][0-9]*");
    private static readonly Expr Decimal = Read(@"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?");
    private static readonly Expr Number = Read(@"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?");

    public static Expr Of(SchemaKeywords schema, bool integer)
    {
        if (schema.Minima.Count == 0 && schema.Maxima.Count == 0 && schema.Multiples.Count == 0) return integer ? Integer : Number;
        var work = schema.Work;
        var dfa = CharDfa.Of(integer ? Integer : Decimal, work);
        foreach (var (value, exclusive) in schema.Minima) dfa = dfa.Intersect(CharDfa.Of(AtLeast(value, exclusive), work), work);
        foreach (var (value, exclusive) in schema.Maxima) dfa = dfa.Intersect(CharDfa.Of(AtMost(value, exclusive), work), work);
        foreach (var multiple in schema.Multiples) dfa = dfa.Intersect(MultiplesOf(multiple, schema), work);
        return new DfaExpr(dfa, Expr.Char);
    }

    private static Expr Read(string pattern) => RegexParser.Parse(pattern, new WorkBudget());

    private static Expr AtLeast(Decimals bound, bool exclusive) => bound.IsNegative
        ? Expr.Alt(NonNegative(), Minus(UpTo(bound, exclusive)))
        : From(bound, exclusive);

    private static Expr AtMost(Decimals bound, bool exclusive) => bound.IsNegative
        ? Minus(From(bound, exclusive))
        : Expr.Alt(Minus(NonNegative()), UpTo(bound, exclusive));

    private static Expr Minus(Expr magnitude) => Expr.Seq(Expr.Text("-"), magnitude);

    private static Expr NonNegative() => Expr.Seq(Digit, Digits, AnyFraction);

    // Magnitudes from a bound on. Leading zeros are out by what this is intersected with.
    private static Expr From(Decimals bound, bool exclusive)
    {
        var whole = bound.Integer.Length == 0 ? "0" : bound.Integer;
        var options = new List<Expr> { Expr.Seq(Expr.Repeat(Digit, whole.Length + 1, null), AnyFraction) };
        for (var i = 0; i < whole.Length; i++)
            if (whole[i] < '9') options.Add(Expr.Seq(Expr.Text(whole[..i]), Between(whole[i] + 1, '9'), Expr.Repeat(Digit, whole.Length - i - 1, whole.Length - i - 1), AnyFraction));
        var more = Expr.Seq(Digits, NotZero, Digits);
        if (bound.Fraction.Length == 0)
        {
            options.Add(Expr.Seq(Expr.Text(whole), exclusive ? Expr.Seq(Expr.Text("."), more) : AnyFraction));
            return Expr.Alt(options);
        }
        var start = whole + ".";
        for (var i = 0; i < bound.Fraction.Length; i++)
            if (bound.Fraction[i] < '9') options.Add(Expr.Seq(Expr.Text(start + bound.Fraction[..i]), Between(bound.Fraction[i] + 1, '9'), Digits));
        options.Add(Expr.Seq(Expr.Text(start + bound.Fraction), exclusive ? more : Digits));
        return Expr.Alt(options);
    }

    // Magnitudes up to a bound.
    private static Expr UpTo(Decimals bound, bool exclusive)
    {
        var whole = bound.Integer.Length == 0 ? "0" : bound.Integer;
        var options = new List<Expr>();
        if (whole.Length > 1) options.Add(Expr.Seq(Expr.Repeat(Digit, 1, whole.Length - 1), AnyFraction));
        for (var i = 0; i < whole.Length; i++)
            if (whole[i] > '0') options.Add(Expr.Seq(Expr.Text(whole[..i]), Between('0', whole[i] - 1), Expr.Repeat(Digit, whole.Length - i - 1, whole.Length - i - 1), AnyFraction));
        var zeros = Expr.Star(Expr.Text("0"));
        if (bound.Fraction.Length == 0)
        {
            if (!exclusive) options.Add(Expr.Seq(Expr.Text(whole), Expr.Optional(Expr.Seq(Expr.Text(".0"), zeros))));
            return Expr.Alt(options);
        }
        var start = whole + ".";
        options.Add(Expr.Text(whole));
        for (var i = 0; i < bound.Fraction.Length; i++)
        {
            if (i > 0) options.Add(Expr.Text(start + bound.Fraction[..i]));
            if (bound.Fraction[i] > '0') options.Add(Expr.Seq(Expr.Text(start + bound.Fraction[..i]), Between('0', bound.Fraction[i] - 1), Digits));
        }
        if (!exclusive) options.Add(Expr.Seq(Expr.Text(start + bound.Fraction), zeros));
        return Expr.Alt(options);
    }

    private static Expr Between(int low, int high) => Expr.Char(CodePointSet.Of((low, high)));

    private static CharDfa MultiplesOf(Decimals multiple, SchemaKeywords schema)
    {
        if (multiple is { IsNegative: false, Fraction: "", Integer.Length: > 0 and <= 4 }
            && int.Parse(multiple.Integer, System.Globalization.CultureInfo.InvariantCulture) is var n and <= LargestMultiple) return Remainders(n);
        // 0.01 and such: so many digits after the point.
        if (multiple is { IsNegative: false, Integer: "", Fraction.Length: > 0 } && multiple.Fraction.TrimStart('0') == "1")
            return CharDfa.Of(Expr.Seq(Expr.Optional(Expr.Text("-")), Digit, Digits, Expr.Optional(Expr.Seq(Expr.Text("."), Expr.Repeat(Digit, 1, multiple.Fraction.Length)))), schema.Work);
        throw schema.Error($"multipleOf is supported for whole numbers up to {LargestMultiple} and for 0.1, 0.01 and so on");
    }

    // One state for each remainder; then nothing but zeros after the point.
    private static CharDfa Remainders(int n)
    {
        var dfa = new CharDfa();
        for (var i = 0; i < n + 5; i++) dfa.Add(i is >= 2 && (i - 2 == 0 || i == n + 3));
        var (start, signed, digits, point, zeros) = (0, 1, 2, n + 2, n + 3);
        dfa.Connect(start, [new('-', '-', signed), .. Next(0)]);
        dfa.Connect(signed, Next(0));
        for (var r = 0; r < n; r++) dfa.Connect(digits + r, r == 0 ? [new('.', '.', point), .. Next(r)] : Next(r));
        dfa.Connect(point, [new('0', '0', zeros)]);
        dfa.Connect(zeros, [new('0', '0', zeros)]);
        return dfa;

        CharDfa.Edge[] Next(int remainder) => [.. Enumerable.Range(0, 10).Select(d => new CharDfa.Edge('0' + d, '0' + d, 2 + ((remainder * 10) + d) % n))];
    }
}
