namespace Beam.IO;

/// <summary>A file that a pattern matched.</summary>
/// <param name="Path">Its path, with the scheme of its file system.</param>
/// <param name="Size">Its length in bytes.</param>
/// <param name="Version">What is another after every change of its content: the generation, or the time of the last write.</param>
public sealed record FileMetadata(string Path, long Size, string? Version = null);

/// <summary>
/// Where files are. The local one has no scheme; an assembly brings another by <c>[assembly: FileSystem("gs", typeof(…))]</c>. Instances are
/// used by many threads.
/// </summary>
public interface IFileSystem
{
    /// <summary>The path in full, so that it means the same in another process.</summary>
    string Resolve(string path);

    /// <summary>
    /// The files of a path or pattern, sorted by path: <c>*</c>, <c>?</c> and <c>[abc]</c> stand for characters within a name, <c>**</c> for
    /// any number of folders. Names that begin with a dot are matched by patterns that begin with one only.
    /// </summary>
    IReadOnlyList<FileMetadata> Match(string pattern);

    /// <summary>Opens a file at an offset. The caller disposes the stream.</summary>
    Stream OpenRead(string path, long offset = 0);

    /// <summary>Creates a file, and the folders above it. It exists when the stream has been disposed; the caller does that.</summary>
    Stream Create(string path);

    /// <summary>Whether a file exists.</summary>
    bool Exists(string path);

    /// <summary>Gives a file another name, all at once where the system can; a file that has the name is replaced.</summary>
    /// <exception cref="FileNotFoundException">There is no file <paramref name="source"/>.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no folder of <paramref name="source"/> or <paramref name="destination"/>.</exception>
    void Move(string source, string destination);

    /// <summary>Deletes a file, if it is there.</summary>
    void Delete(string path);

    /// <summary>Deletes a folder and all that is in it, if it is there.</summary>
    void DeleteFolder(string path);

    /// <summary>The folder of a path, and its name.</summary>
    (string Folder, string Name) Split(string path);

    /// <summary>A path within a folder.</summary>
    string Combine(string folder, string name);

    /// <summary>Fails if files cannot be created in a folder, as far as this can be known without running anything.</summary>
    /// <exception cref="BeamException">They cannot; the message names the folder and the reason.</exception>
    void CheckWritable(string folder);
}

/// <summary>Tells of a file system that an assembly brings.</summary>
/// <param name="scheme">The scheme of its paths: <c>"gs"</c> for <c>gs://…</c>.</param>
/// <param name="type">An <see cref="IFileSystem"/> with a public constructor without parameters.</param>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
public sealed class FileSystemAttribute(string scheme, Type type) : Attribute
{
    /// <summary>The scheme.</summary>
    public string Scheme => scheme;

    /// <summary>The file system.</summary>
    public Type Type => type;
}
