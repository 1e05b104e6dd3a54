using System.Security.Cryptography;
using System.Text;

namespace Beam.IO;

/// <summary>
/// The last step of a write: temporary files get their names, and files of an earlier run that would stand beside them go. Several attempts
/// may do it one after the other or at the same time.
/// </summary>
internal static class Finalization
{
    /// <param name="spec">What is written.</param>
    /// <param name="written">The shards (any number where the runner decides) and temporary files of the bundles that succeeded.</param>
    /// <returns>The names of all files.</returns>
    /// <exception cref="IOException">A temporary file has disappeared.</exception>
    public static IReadOnlyList<string> Run(WriteSpec spec, IEnumerable<KV<int, string>> written)
    {
        var system = FileSystems.For(spec.Prefix);
        // In an order that does not depend on that in which they come.
        var files = written.OrderBy(f => f.Key).ThenBy(f => f.Value, StringComparer.Ordinal).ToArray();
        var count = spec.NumShards > 0 ? spec.NumShards : Math.Max(1, files.Length);
        var names = Enumerable.Range(0, count)
            .Select(shard => ShardNames.Of(spec.Prefix, spec.Options.ShardNameTemplate, spec.Suffix, shard, count)).ToArray();
        Begin(system, spec, files);
        var filled = new bool[count];
        for (var i = 0; i < files.Length; i++)
        {
            var shard = spec.NumShards > 0 ? files[i].Key : i;
            Move(system, files[i].Value, names[shard]);
            filled[shard] = true;
        }

        // No elements is an output too, with a header if files have one.
        for (var shard = 0; shard < count; shard++)
        {
            if (filled[shard]) continue;
            using var empty = new TemporaryFile(spec);
            empty.Complete();
            system.Move(empty.Path, names[shard]);
        }

        DeleteEarlier(system, spec, count);
        return names;
    }

    /// <summary>
    /// Makes sure that all temporary files are there, or were when an attempt before this one began: then, and only then, one that is not
    /// there any more has its name. Without this a file of an earlier run could be taken for it.
    /// </summary>
    private static void Begin(IFileSystem system, WriteSpec spec, KV<int, string>[] files)
    {
        var id = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', files.Select(f => f.Value)))).AsSpan(0, 16));
        var marker = system.Combine(spec.TemporaryFolder, $"complete-{id}");
        if (system.Exists(marker)) return;
        foreach (var (_, file) in files)
        {
            if (system.Exists(file)) continue;
            // Another attempt may have begun in the meantime.
            if (system.Exists(marker)) return;
            throw new IOException($"The temporary file '{file}' of '{spec.Prefix}' has disappeared; nothing but the pipeline may touch '{spec.TemporaryFolder}'.");
        }

        var fresh = system.Combine(spec.TemporaryFolder, Guid.NewGuid().ToString("N"));
        system.Create(fresh).Dispose();
        system.Move(fresh, marker);
    }

    private static void Move(IFileSystem system, string file, string name)
    {
        try
        {
            system.Move(file, name);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // Another attempt was first.
            if (!system.Exists(name)) throw new IOException($"The temporary file '{file}' of '{name}' has disappeared.", e);
        }
    }

    /// <summary>Deletes the files of an earlier run that had another number of shards.</summary>
    private static void DeleteEarlier(IFileSystem system, WriteSpec spec, int count)
    {
        var (_, first) = system.Split(spec.Prefix);
        foreach (var file in system.Match(Literally(spec.Prefix) + "*" + Literally(spec.Suffix)))
        {
            var (_, name) = system.Split(file.Path);
            if (name.Length < first.Length + spec.Suffix.Length) continue;
            var numbers = name[first.Length..^spec.Suffix.Length];
            if (ShardNames.CountOf(spec.Options.ShardNameTemplate, numbers) is { } other && other != count) system.Delete(file.Path);
        }
    }

    private static string Literally(string path) => string.Concat(path.Select(c => c is '*' or '?' or '[' ? $"[{c}]" : $"{c}"));
}
