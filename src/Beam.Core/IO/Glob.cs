using System.Text;
using System.Text.RegularExpressions;

namespace Beam.IO;

/// <summary>
/// File patterns, as shells have them: <c>*</c>, <c>?</c> and <c>[abc]</c> stand for characters within a name, <c>**</c> for any number of
/// folders; names that begin with a dot are matched by patterns that begin with one only.
/// </summary>
public static class Glob
{
    private static readonly char[] Wildcards = ['*', '?', '['];

    /// <summary>What stands before the first wildcard; the whole pattern if it has none.</summary>
    public static string LiteralPrefix(string pattern) => pattern.IndexOfAny(Wildcards) is >= 0 and var first ? pattern[..first] : pattern;

    /// <summary>Whether a path, its parts divided by slashes, matches a pattern: for file systems that know names and no folders.</summary>
    public static bool MatchesPath(string path, string pattern) => MatchesParts(path.Split('/'), pattern.Split('/'));

    /// <summary>The local files that match.</summary>
    internal static IEnumerable<string> Match(string pattern)
    {
        if (pattern.IndexOfAny(Wildcards) < 0) return File.Exists(pattern) ? [pattern] : [];
        // The folders before the first wildcard are as they are.
        var normal = Path.DirectorySeparatorChar == '/' ? pattern : pattern.Replace(Path.DirectorySeparatorChar, '/');
        var cut = normal.LastIndexOf('/', normal.IndexOfAny(Wildcards));
        var root = cut < 0 ? "" : normal[..(cut + 1)];
        return Walk(root, normal[(cut + 1)..].Split('/'), 0).Distinct();
    }

    /// <summary>Whether a name matches a pattern without folders.</summary>
    internal static bool MatchesName(string name, string pattern) => Regex.IsMatch(name, ToRegex(pattern), RegexOptions.CultureInvariant | RegexOptions.Singleline);

    private static bool MatchesParts(ReadOnlySpan<string> path, ReadOnlySpan<string> pattern)
    {
        while (!pattern.IsEmpty)
        {
            if (pattern[0] == "**")
            {
                // No folder, or any that is not hidden; a last ** is all files.
                if (pattern.Length == 1) return !path.IsEmpty && !AnyHidden(path);
                pattern = pattern[1..];
                for (var i = 0; i <= path.Length && !AnyHidden(path[..i]); i++)
                {
                    if (MatchesParts(path[i..], pattern)) return true;
                }

                return false;
            }

            if (path.IsEmpty || !IsMatch(path[0], pattern[0])) return false;
            path = path[1..];
            pattern = pattern[1..];
        }

        return path.IsEmpty;
    }

    private static bool AnyHidden(ReadOnlySpan<string> path)
    {
        foreach (var part in path)
        {
            if (part.StartsWith('.')) return true;
        }

        return false;
    }

    private static IEnumerable<string> Walk(string folder, string[] segments, int index)
    {
        var directory = folder.Length == 0 ? "." : folder;
        if (!Directory.Exists(directory)) yield break;
        var segment = segments[index];
        var isLast = index == segments.Length - 1;
        if (segment == "**")
        {
            // No folder, or any: what follows may match here and everywhere below. A last ** is all files.
            foreach (var path in isLast ? Files(folder, directory, "*") : Walk(folder, segments, index + 1)) yield return path;
            // A link to a folder above would never end; by their names links are followed, as shells do.
            foreach (var sub in Folders(folder, directory, "*", followLinks: false))
            {
                foreach (var path in Walk(sub, segments, index)) yield return path;
            }

            yield break;
        }

        if (isLast)
        {
            foreach (var path in Files(folder, directory, segment)) yield return path;
            yield break;
        }

        foreach (var sub in Folders(folder, directory, segment))
        {
            foreach (var path in Walk(sub, segments, index + 1)) yield return path;
        }
    }

    private static IEnumerable<string> Files(string prefix, string directory, string pattern) =>
        Directory.EnumerateFiles(directory).Select(p => Path.GetFileName(p)).Where(n => IsMatch(n, pattern)).Select(n => prefix + n);

    private static IEnumerable<string> Folders(string prefix, string directory, string pattern, bool followLinks = true) =>
        new DirectoryInfo(directory).EnumerateDirectories()
            .Where(d => (followLinks || d.LinkTarget is null) && IsMatch(d.Name, pattern)).Select(d => prefix + d.Name + "/");

    private static bool IsMatch(string name, string pattern) => name.StartsWith('.') == pattern.StartsWith('.') && MatchesName(name, pattern);

    private static string ToRegex(string pattern)
    {
        var regex = new StringBuilder("^");
        for (var i = 0; i < pattern.Length; i++)
        {
            var close = pattern[i] == '[' ? pattern.IndexOf(']', i + 1) : -1;
            if (close > i + 1)
            {
                var set = pattern[(i + 1)..close].Replace("\\", "\\\\", StringComparison.Ordinal);
                regex.Append('[').Append(set[0] == '!' ? "^" + set[1..] : set).Append(']');
                i = close;
            }
            else
            {
                regex.Append(pattern[i] switch { '*' => ".*", '?' => ".", var c => Regex.Escape(c.ToString()) });
            }
        }

        return regex.Append('$').ToString();
    }
}
