using System.CommandLine;
using System.Text.RegularExpressions;
using Beam.ML.Vllm.Arguments;

namespace Beam.Cli.Usage;

/// <summary>Messages of the library name arguments as dictionaries do (<c>max_model_len</c>): on a command line they are to be as they are typed.</summary>
internal static partial class TypedNames
{
    public static string Apply(string message, ParseResult parsed)
    {
        var options = parsed.CommandResult.Command.Options;
        return Names().Replace(message, match => Find(match.Value, isFirst: match.Index == 0) ?? match.Value);

        string? Find(string name, bool isFirst)
        {
            if (!isFirst && !name.Contains('_')) return null;
            var argument = EngineArguments.All.FirstOrDefault(known => known.Name == name || known.Alias == name);
            string?[] spellings = argument is null ? [name] : [argument.Name, argument.Alias];
            var known = options.Where(option => spellings.Contains(EngineArguments.Normalize(option.Name))).ToArray();
            // One word at the beginning may be just a word, unless the option was given.
            var given = known.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false });
            return (given ?? (name.Contains('_') ? known.FirstOrDefault() : null))?.Name;
        }
    }

    /// <summary>Words of their own: not parts of paths, of quoted keys or of longer names.</summary>
    [GeneratedRegex("""(?<![\w./\\'"-])[a-z][a-z0-9_]*(?![\w/\\'"-]|\.\w)""")]
    private static partial Regex Names();
}
