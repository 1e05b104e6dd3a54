using System.Security.Cryptography;
using System.Text;
using Beam.IO;

namespace Beam.ML.Vllm.Weights;

/// <summary>
/// Copies a model folder that is not on this machine (<c>gs://bucket/folder</c>, or whatever scheme the program has a file system for) to a
/// local one, once: the copy's name says which files it was made of, so a changed folder is another copy. Only one process copies; others
/// that want the same model wait for it. A copy has its name when it is complete, not before.
/// </summary>
internal static class RemoteModelFolder
{
    private const int FilesAtATime = 4;

    private static readonly string[] Extensions = [".safetensors", ".json", ".model", ".jinja", ".txt"];

    public static bool IsRemote(string model) =>
        model.IndexOf("://", StringComparison.Ordinal) > 0 && !model.StartsWith("file://", StringComparison.OrdinalIgnoreCase);

    /// <summary>Returns the folder of the copy.</summary>
    /// <param name="model">The folder's path, with its scheme.</param>
    /// <param name="environment">Reads an environment variable: <c>BEAM_MODEL_CACHE</c> says where copies go, by default a folder of the user's cache.</param>
    /// <param name="log">Is told, once, if another process copies the same model and has to be waited for.</param>
    /// <param name="cancellationToken">Ends the wait or the copy; a part that was copied is no copy.</param>
    public static string Fetch(string model, Func<string, string?> environment, Action<string>? log, CancellationToken cancellationToken) =>
        Fetch(FileSystems.For, model, environment, log, cancellationToken);

    internal static string Fetch(
        Func<string, IFileSystem> systems, string model, Func<string, string?> environment, Action<string>? log = null, CancellationToken cancellationToken = default)
    {
        model = model.TrimEnd('/');
        try
        {
            var system = systems(model);
            var files = system.Match($"{model}/*").Where(f => Extensions.Contains(Path.GetExtension(f.Path))).ToArray();
            if (files.Length == 0) throw new ModelLoadException($"'{model}' has no *.json and *.safetensors files; name the checkpoint folder that they are in.");
            var copy = Path.Combine(CacheFolder(environment), NameOf(system, model, files));
            if (!Directory.Exists(copy)) CopyOnce(system, model, files, copy, log, cancellationToken);
            return copy;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or BeamException)
        {
            throw new ModelLoadException($"The model folder '{model}' cannot be copied to this machine: {e.Message}", e);
        }
    }

    private static string CacheFolder(Func<string, string?> environment)
    {
        if (environment("BEAM_MODEL_CACHE") is { Length: > 0 } named) return Path.GetFullPath(named);
        var cache = environment("XDG_CACHE_HOME") is { Length: > 0 } xdg
            ? xdg
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(cache, "beam", "models");
    }

    private static string NameOf(IFileSystem system, string model, FileMetadata[] files)
    {
        var content = string.Join('\n', files.Select(f => $"{f.Path} {f.Size} {f.Version}"));
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)).AsSpan(0, 8));
        var name = string.Concat(system.Split(model).Name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-'));
        return $"{name.TrimStart('.')}-{hash}";
    }

    private static void CopyOnce(IFileSystem system, string model, FileMetadata[] files, string copy, Action<string>? log, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
        using var turn = WaitForTurn($"{copy}.lock", model, log, cancellationToken);
        if (Directory.Exists(copy)) return;

        // Whoever had the turn before and died may have left a part.
        var part = $"{copy}.part";
        if (Directory.Exists(part)) Directory.Delete(part, recursive: true);
        Directory.CreateDirectory(part);
        var (needed, free) = (files.Sum(f => f.Size), new DriveInfo(part).AvailableFreeSpace);
        if (needed > free) throw new IOException($"it takes {needed >> 20} MiB, and '{Path.GetDirectoryName(copy)}' has {free >> 20} MiB free; make room, or set BEAM_MODEL_CACHE to another folder.");
        try
        {
            var options = new ParallelOptions { MaxDegreeOfParallelism = FilesAtATime, CancellationToken = cancellationToken };
            Parallel.ForEach(files, options, file => CopyFile(system, file, part, cancellationToken));
        }
        catch (AggregateException e)
        {
            throw new IOException(e.InnerExceptions[0].Message, e);
        }

        Directory.Move(part, copy);
    }

    private static void CopyFile(IFileSystem system, FileMetadata file, string folder, CancellationToken cancellationToken)
    {
        var name = system.Split(file.Path).Name;
        if (name.Length == 0 || name != Path.GetFileName(name)) throw new IOException($"'{file.Path}' has a name that no file here can have.");
        var path = Path.Combine(folder, name);
        using (var source = system.OpenRead(file.Path))
        using (var target = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1))
        {
            var buffer = new byte[1 << 20];
            for (int count; (count = source.Read(buffer)) > 0; target.Write(buffer, 0, count)) cancellationToken.ThrowIfCancellationRequested();
        }

        var length = new FileInfo(path).Length;
        if (length != file.Size) throw new IOException($"'{file.Path}' came with {length} of {file.Size} bytes; it was changed while it was copied, try again.");
    }

    /// <summary>A lock that dies with its holder; whoever wants it waits.</summary>
    private static FileStream WaitForTurn(string path, string model, Action<string>? log, CancellationToken cancellationToken)
    {
        for (var told = false; ; told = true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
            }
            catch (IOException) when (File.Exists(path))
            {
                if (!told) log?.Invoke($"Waiting for the copy of '{model}' that is being made already: its maker holds '{path}'.");
                cancellationToken.WaitHandle.WaitOne(100);
            }
        }
    }
}
