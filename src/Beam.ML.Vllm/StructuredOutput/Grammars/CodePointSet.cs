namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>A set of Unicode scalar values: sorted ranges that do not touch. Surrogates are in no set.</summary>
internal sealed class CodePointSet
{
    public const int Last = 0x10FFFF;

    private CodePointSet((int Low, int High)[] ranges) => Ranges = ranges;

    public static CodePointSet None { get; } = new([]);

    public static CodePointSet All { get; } = Of((0, Last));

    public static CodePointSet Digits { get; } = Of(('0', '9'));

    public static CodePointSet WordCharacters { get; } = Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));

    /// <summary>ASCII white space and, as in XGrammar, the no-break space.</summary>
    public static CodePointSet WhiteSpace { get; } = Of((9, 13), (' ', ' '), (0xA0, 0xA0));

    public (int Low, int High)[] Ranges { get; }

    public bool IsEmpty => Ranges.Length == 0;

    public static CodePointSet Of(params IEnumerable<(int Low, int High)> ranges)
    {
        var sorted = ranges.SelectMany(WithoutSurrogates).Where(r => r.Low <= r.High).Order().ToArray();
        var merged = new List<(int Low, int High)>(sorted.Length);
        foreach (var range in sorted)
            if (merged.Count > 0 && range.Low <= merged[^1].High + 1) merged[^1] = (merged[^1].Low, Math.Max(merged[^1].High, range.High));
            else merged.Add(range);
        return new([.. merged]);
    }

    public static CodePointSet Of(int codePoint) => Of((codePoint, codePoint));

    public CodePointSet Union(CodePointSet other) => Of(Ranges.Concat(other.Ranges));

    public CodePointSet Complement()
    {
        var gaps = new List<(int, int)>(Ranges.Length + 1);
        var next = 0;
        foreach (var (low, high) in Ranges)
        {
            if (low > next) gaps.Add((next, low - 1));
            next = high + 1;
        }
        if (next <= Last) gaps.Add((next, Last));
        return Of(gaps);
    }

    public CodePointSet Intersect(CodePointSet other)
    {
        var common = new List<(int, int)>();
        for (int i = 0, j = 0; i < Ranges.Length && j < other.Ranges.Length;)
        {
            var (low, high) = (Math.Max(Ranges[i].Low, other.Ranges[j].Low), Math.Min(Ranges[i].High, other.Ranges[j].High));
            if (low <= high) common.Add((low, high));
            if (Ranges[i].High < other.Ranges[j].High) i++;
            else j++;
        }
        return Of(common);
    }

    public CodePointSet Except(CodePointSet other) => Intersect(other.Complement());

    public bool Contains(int codePoint)
    {
        foreach (var (low, high) in Ranges)
            if (codePoint >= low && codePoint <= high) return true;
        return false;
    }

    private static IEnumerable<(int Low, int High)> WithoutSurrogates((int Low, int High) range)
    {
        if (range.High < 0xD800 || range.Low > 0xDFFF)
        {
            yield return range;
            yield break;
        }
        if (range.Low < 0xD800) yield return (range.Low, 0xD7FF);
        if (range.High > 0xDFFF) yield return (0xE000, range.High);
    }
}
