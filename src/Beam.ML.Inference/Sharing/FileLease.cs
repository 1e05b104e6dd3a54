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
    /// <exception cref="IOException">There is no such folder, no space, or no locking on its file system.</exception>
    public static FileLease? TryAcquire(string path)
    {
        if (TryOpen(path) is not { } file) return null;
        // A second lock must fail. It does not where the file system only pretends, or where somebody put another file in the place of ours.
        if (TryOpen(path) is not { } other) return new FileLease(file);
        other.Dispose();
        file.Dispose();
        throw new IOException($"'{path}' cannot be locked: keep the job's work directory on a local disk, and delete nothing in it while the job runs.");
    }

    public void Dispose() => file.Dispose();

    private static FileStream? TryOpen(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);
        }
        catch (IOException e) when (IsHeldByAnother(e))
        {
            return null;
        }
    }

    // ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION; elsewhere EWOULDBLOCK, which is 11 on Linux and 35 on macOS.
    private static bool IsHeldByAnother(IOException e) =>
        OperatingSystem.IsWindows() ? (e.HResult & 0xFFFF) is 32 or 33 : e.HResult == (OperatingSystem.IsMacOS() ? 35 : 11);
}
