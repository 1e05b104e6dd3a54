using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>Named sets of characters.</summary>
internal static class CharacterClasses
{
    // Of each category, and of each group of them, once for all: it takes a look at every character there is.
    private static readonly Lazy<Dictionary<string, (CodePointSet Set, CodePointSet Others)>> ByCategory = new(FindCategories);

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

    /// <summary>The characters of a Unicode general category, such as L or Lu, or those of all others; null if there is none of this name.</summary>
    public static CodePointSet? OfCategory(string name, bool negated) =>
        !ByCategory.Value.TryGetValue(name, out var found) ? null : negated ? found.Others : found.Set;

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

    private static Dictionary<string, (CodePointSet Set, CodePointSet Others)> FindCategories()
    {
        var ranges = new Dictionary<string, List<(int, int)>>(StringComparer.Ordinal);
        foreach (var name in Categories) (ranges[name], ranges[name[..1]]) = ([], []);
        for (int start = 0, end; start <= CodePointSet.Last; start = end)
        {
            var category = CategoryOf(start);
            for (end = start + 1; end <= CodePointSet.Last && CategoryOf(end) == category; end++)
            {
            }
            var name = Categories[(int)category];
            ranges[name].Add((start, end - 1));
            ranges[name[..1]].Add((start, end - 1));
        }
        return ranges.ToDictionary(r => r.Key, r => CodePointSet.Of(r.Value) is var set ? (set, set.Complement()) : default, StringComparer.Ordinal);
    }

    private static UnicodeCategory CategoryOf(int point) => Rune.IsValid(point) ? Rune.GetUnicodeCategory(new Rune(point)) : UnicodeCategory.Surrogate;
}
