using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>Named sets of characters.</summary>
internal static class CharacterClasses
{
    private static readonly string[] Categories =
    [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn",
    ];

    /// <summary>The classes that a backslash and a letter stand for, or null.</summary>
    public static CodePointSet? OfEscape(int letter) => letter switch
    {
        'd' => CodePointSet.Digits,
        'D' => CodePointSet.Digits.Complement(),
        'w' => CodePointSet.WordCharacters,
        'W' => CodePointSet.WordCharacters.Complement(),
        's' => CodePointSet.WhiteSpace,
        'S' => CodePointSet.WhiteSpace.Complement(),
        _ => null,
    };

    /// <summary>The characters of a Unicode general category, such as L or Lu, or null.</summary>
    public static CodePointSet? OfCategory(string name)
    {
        if (name is not ("L" or "M" or "N" or "Z" or "C" or "P" or "S") && !Categories.Contains(name)) return null;
        var ranges = new List<(int, int)>();
        for (var (point, start) = (0, -1); point <= CodePointSet.Last + 1; point++)
        {
            var inside = point <= CodePointSet.Last && Categories[(int)CategoryOf(point)].StartsWith(name, StringComparison.Ordinal);
            if (inside && start < 0) start = point;
            if (inside || start < 0) continue;
            ranges.Add((start, point - 1));
            start = -1;
        }
        return CodePointSet.Of(ranges);
    }

    /// <summary>A POSIX class, or null.</summary>
    public static CodePointSet? OfPosix(string name) => name switch
    {
        "alpha" => CodePointSet.Of(('A', 'Z'), ('a', 'z')),
        "digit" => CodePointSet.Digits,
        "alnum" => CodePointSet.Of(('0', '9'), ('A', 'Z'), ('a', 'z')),
        "upper" => CodePointSet.Of(('A', 'Z')),
        "lower" => CodePointSet.Of(('a', 'z')),
        "space" => CodePointSet.Of((9, 13), (' ', ' ')),
        "blank" => CodePointSet.Of((9, 9), (' ', ' ')),
        "punct" => CodePointSet.Of(('!', '/'), (':', '@'), ('[', '`'), ('{', '~')),
        "xdigit" => CodePointSet.Of(('0', '9'), ('A', 'F'), ('a', 'f')),
        "word" => CodePointSet.WordCharacters,
        _ => null,
    };

    private static UnicodeCategory CategoryOf(int point) => Rune.IsValid(point) ? Rune.GetUnicodeCategory(new Rune(point)) : UnicodeCategory.Surrogate;
}
