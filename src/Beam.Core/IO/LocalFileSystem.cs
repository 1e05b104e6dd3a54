using System.Globalization;

namespace Beam.IO;

/// <summary>The machine's own files.</summary>
internal sealed class LocalFileSystem : IFileSystem
{
    private const int BufferSize = 1 << 16;

    private LocalFileSystem() { }

    public static LocalFileSystem Instance { get; } = new();

    public string Resolve(string path) => Path.GetFullPath(WithoutScheme(path));

    public IReadOnlyList<FileMetadata> Match(string pattern)
    {
        try
        {
            // A file may go while others are looked for.
            return
            [
                .. from path in Glob.Match(WithoutScheme(pattern)).Order(StringComparer.Ordinal)
                   let file = new FileInfo(path)
                   where file.Exists
                   select new FileMetadata(path, file.Length, file.LastWriteTimeUtc.Ticks.ToString(CultureInfo.InvariantCulture)),
            ];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BeamException($"Cannot look for '{pattern}': {e.Message}", e);
        }
    }

    public Stream OpenRead(string path, long offset = 0)
    {
        var stream = new FileStream(WithoutScheme(path), FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 1, FileOptions.SequentialScan);
        stream.Position = offset;
        return stream;
    }

    public Stream Create(string path)
    {
        path = WithoutScheme(path);
        if (Path.GetDirectoryName(path) is { Length: > 0 } folder) Directory.CreateDirectory(folder);
        return new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, BufferSize);
    }

    public bool Exists(string path) => File.Exists(WithoutScheme(path));

    public void Move(string source, string destination) => File.Move(WithoutScheme(source), WithoutScheme(destination), overwrite: true);

    public void Delete(string path) => File.Delete(WithoutScheme(path));

    public void DeleteFolder(string path)
    {
        try
        {
            Directory.Delete(WithoutScheme(path), recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // It was never made, or somebody else was first.
        }
    }

    public (string Folder, string Name) Split(string path)
    {
        path = WithoutScheme(path);
        return (Path.GetDirectoryName(path) ?? Path.GetPathRoot(path) ?? "", Path.GetFileName(path));
    }

    public string Combine(string folder, string name) => Path.Combine(folder, name);

    public void CheckWritable(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            var probe = Path.Combine(folder, $".temp-beam-probe-{Guid.NewGuid():N}");
            using (new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose)) { }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new BeamException($"Cannot write to the folder '{folder}': {WhyNotWritable(folder, e)}. Choose another output, or make the folder writable.", e);
        }
    }

    /// <summary>The system's own words name the probe, or a file that "could not be found".</summary>
    private static string WhyNotWritable(string folder, Exception error)
    {
        for (var path = Path.GetFullPath(folder); path is not null; path = Path.GetDirectoryName(path))
        {
            if (File.Exists(path)) return path == Path.GetFullPath(folder) ? "it is a file" : $"'{path}' is a file";
        }

        var what = Directory.Exists(folder) ? "no file can be created in it" : "it cannot be created";
        return error is FileNotFoundException or DirectoryNotFoundException ? what : $"{what} ({error.Message.TrimEnd('.')})";
    }

    private static string WithoutScheme(string path) => path.StartsWith("file://", StringComparison.OrdinalIgnoreCase) ? path["file://".Length..] : path;
}
