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

    /// <summary>The number of shards that what stands between prefix and suffix tells; null if the template makes no such text, or tells no number.</summary>
    public static int? CountOf(string template, string text)
    {
        var pattern = Runs().Replace(Regex.Escape(template), run => $"(?<{run.Value[0]}>[0-9]+)");
        var match = Regex.Match(text, $"^{pattern}$", RegexOptions.CultureInvariant | RegexOptions.Singleline);
        return match.Success && Number("S") is { } shard && Number("N") is { } count && shard < count && Of("", template, "", shard, count) == text ? count : null;

        int? Number(string name) => int.TryParse(match.Groups[name].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
    }

    [GeneratedRegex("S+|N+")]
    private static partial Regex Runs();
}
