namespace Beam;

/// <summary>Splits a command line into option names and values.</summary>
internal static class CommandLine
{
    public static Dictionary<string, List<string>> Read(IReadOnlyList<string> args, IReadOnlyDictionary<string, OptionInfo> known)
    {
        var given = new Dictionary<string, List<string>>();
        for (var i = 0; i < args.Count; i++)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal) || args[i].Length == 2)
                throw new BeamException($"'{args[i]}' is not an option; options look like --name=value.");
            var text = args[i][2..];
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            var name = (equals < 0 ? text : text[..equals]).Replace('-', '_');
            var value = equals < 0 ? null : text[(equals + 1)..];
            if (!known.TryGetValue(name, out var option))
            {
                if (value is null && name.StartsWith("no_", StringComparison.Ordinal) && known.TryGetValue(name[3..], out option) && option.IsFlag)
                {
                    Add(option.Name, "false");
                    continue;
                }

                throw new BeamException(NearestName.Of(name, known.Keys) is { } nearest
                    ? $"There is no option --{name}; did you mean --{nearest}?"
                    : $"There is no option --{name}; --help lists those that exist.");
            }

            var next = i + 1 < args.Count && !args[i + 1].StartsWith("--", StringComparison.Ordinal) ? args[i + 1] : null;
            if (value is null && option.IsFlag) value = next is not null && bool.TryParse(next, out _) ? args[++i] : "true";
            else if (value is null && next is not null) value = args[++i];
            Add(name, value ?? throw new BeamException($"The option --{name} needs a value: --{name}=…"));
        }

        return given;

        void Add(string name, string value)
        {
            if (!given.TryGetValue(name, out var values)) given.Add(name, values = []);
            values.Add(value);
        }
    }
}

/// <summary>Guesses which name was meant.</summary>
internal static class NearestName
{
    /// <summary>The closest of <paramref name="names"/>, if it is close: in its letters, or but for words that it begins with.</summary>
    public static string? Of(string name, IEnumerable<string> names)
    {
        var best = names.SelectMany(n => Endings(n).Select((ending, dropped) => (Name: n, Distance: dropped + Distance(name, ending)))).OrderBy(n => n.Distance).ThenBy(n => n.Name, StringComparer.Ordinal).FirstOrDefault();
        return best.Name is not null && best.Distance <= Math.Max(2, name.Length / 3) ? best.Name : null;
    }

    /// <summary><c>direct_num_workers</c>, <c>num_workers</c>, <c>workers</c>.</summary>
    private static IEnumerable<string> Endings(string name)
    {
        for (var start = 0; ;)
        {
            yield return name[start..];
            var underscore = name.IndexOf('_', start);
            if (underscore < 0) yield break;
            start = underscore + 1;
        }
    }

    /// <summary>The number of letters to insert, delete or replace.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
        }

        return row[b.Length];
    }
}
