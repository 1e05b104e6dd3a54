using System.Globalization;
using System.Text.RegularExpressions;

namespace Beam.IO;

/// <summary>Names of the files of one output.</summary>
internal static partial class ShardNames
{
    /// <summary><c>answers-00000-of-00003.jsonl</c>.</summary>
    public static string Of(string prefix, string template, string suffix, int shard, int count) =>
        prefix + Runs().Replace(template, run => (run.Value[0] == 'S' ? shard : count).ToString(CultureInfo.InvariantCulture).PadLeft(run.Length, '0')) + suffix;

    public static bool TellsShards(string template) => template.Contains('S', StringComparison.Ordinal);

    [GeneratedRegex("S+|N+")]
    private static partial Regex Runs();
}
