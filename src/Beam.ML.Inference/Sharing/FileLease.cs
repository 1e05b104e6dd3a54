namespace Beam.ML.Inference.Sharing;

/// <summary>
/// A lock between processes that dies with its holder, kill -9 included: a file that is open without sharing. The operating system
/// enforces it on Windows, and an advisory lock (flock) that every holder of ours asks for does elsewhere.
/// </summary>
/// <remarks>The file itself is never deleted while the job runs: two processes would lock two files of one name.</remarks>
internal sealed class FileLease : IDisposable
{
    private readonly FileStream file;

    private FileLease(FileStream file) => this.file = file;

    /// <summary>The lease, or null if somebody else holds it.</summary>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static FileLease? TryAcquire(string path)
    {
        try
        {
            return new FileLease(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1));
        }
        catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException or PathTooLongException))
        {
            return null;
        }
    }

    public void Dispose() => file.Dispose();
}
