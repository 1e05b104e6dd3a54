using System.Globalization;

namespace Beam.ML.Vllm.Engine;

/// <summary>What Linux's control groups leave a process of memory: the limits of containers and of services, in the first and second form.</summary>
internal static class ControlGroupMemory
{
    private const long Unlimited = 1L << 60;

    private static readonly Files First = new("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
    private static readonly Files Second = new("memory.max", "memory.current", "inactive_file");

    /// <summary>The least that any group of the process has left; null where none has a limit.</summary>
    /// <param name="root">Where the groups are mounted.</param>
    /// <param name="membership">The file that names the groups of the process.</param>
    public static long? AvailableBytes(string root = "/sys/fs/cgroup", string membership = "/proc/self/cgroup")
    {
        long? least = null;
        foreach (var line in Lines(membership))
        {
            // number:controllers:path, without controllers in the second form.
            if (line.Split(':', 3) is not [_, var controllers, var path]) continue;
            var isFirst = controllers.Split(',').Contains("memory");
            if (!isFirst && controllers.Length > 0) continue;
            var mount = isFirst ? Path.Combine(root, "memory") : root;

            // Limits of the groups above hold as well. Within a container its own group may be mounted as the root.
            for (var folder = path.Trim('/'); ; folder = Path.GetDirectoryName(folder) ?? "")
            {
                if (Available(Path.Combine(mount, folder), isFirst ? First : Second) is { } available) least = Math.Min(least ?? long.MaxValue, available);
                if (folder.Length == 0) break;
            }
        }

        return least;
    }

    private static long? Available(string folder, Files files)
    {
        if (Number(Path.Combine(folder, files.Limit)) is not { } limit || limit >= Unlimited) return null;
        if (Number(Path.Combine(folder, files.Usage)) is not { } usage) return null;

        // Files that were read and lie unused count as usage, but give way at once.
        var cached = Lines(Path.Combine(folder, "memory.stat")).Select(l => l.Split(' ')).FirstOrDefault(l => l[0] == files.Cached);
        var unused = cached is [_, var text] && long.TryParse(text, CultureInfo.InvariantCulture, out var bytes) ? bytes : 0;
        return Math.Max(limit - Math.Max(usage - unused, 0), 0);
    }

    private static long? Number(string path) =>
        Lines(path) is [var line, ..] && long.TryParse(line.Trim(), CultureInfo.InvariantCulture, out var value) ? value : null;

    /// <summary>Of a file that is not there, or not for this process to read, none.</summary>
    private static string[] Lines(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllLines(path) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private sealed record Files(string Limit, string Usage, string Cached);
}
