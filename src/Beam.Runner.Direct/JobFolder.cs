using System.Security.Cryptography;

namespace Beam.Runner.Direct;

/// <summary>
/// The folder of one job on this machine: its socket and what its workers share. A lock that the operating system lets go with this
/// process tells others whether the job lives, so that what a killed process left is swept by the next.
/// </summary>
internal sealed class JobFolder : IDisposable
{
    private const string Prefix = "beam-job-";
    private const string LockSuffix = ".lock";

    private const int MaxLockAttempts = 8;

    private static readonly TimeSpan SweepAge = TimeSpan.FromMinutes(1);

    private readonly FileStream _lock;

    private JobFolder(string path, FileStream fileLock) => (Path, _lock) = (path, fileLock);

    public string Path { get; }

    /// <param name="root">Where job folders are; the system's temporary folder by default.</param>
    /// <exception cref="BeamException">The folder cannot be made.</exception>
    public static JobFolder Create(string? root = null)
    {
        root ??= System.IO.Path.GetTempPath();
        try
        {
            Sweep(root);
            var (path, fileLock) = Lock(root);
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
            else Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return new JobFolder(path, fileLock);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BeamException($"The temporary folder {root} cannot be written ({e.Message}). Free some space, or name another folder with --temp_location or TMPDIR.", e);
        }
    }

    public void Dispose()
    {
        Delete(Path);
        _lock.Dispose();
        try
        {
            File.Delete(_lock.Name);
        }
        catch (IOException)
        {
            // Another job sweeps at this moment, and does it.
        }
    }

    private static (string Path, FileStream Lock) Lock(string root)
    {
        for (var attempt = 1; ; attempt++)
        {
            var path = System.IO.Path.Combine(root, Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)));
            try
            {
                return (path, new FileStream(path + LockSuffix, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None));
            }
            catch (IOException e) when (e is not DirectoryNotFoundException && attempt < MaxLockAttempts)
            {
                // A file is made first and locked next: who sweeps in between takes it for abandoned, locks and deletes it.
            }
        }
    }

    /// <summary>Deletes the folders of jobs whose process is gone. A lock so young may be one that its job has not got hold of yet.</summary>
    private static void Sweep(string root)
    {
        foreach (var file in Directory.EnumerateFiles(root, $"{Prefix}*{LockSuffix}"))
        {
            try
            {
                if (DateTime.UtcNow - File.GetLastWriteTimeUtc(file) < SweepAge) continue;
                using var abandoned = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
                Delete(file[..^LockSuffix.Length]);
                File.Delete(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The job lives, or it is somebody else's.
            }
        }
    }

    private static void Delete(string path)
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody still has a file open; the next job sweeps it.
        }
    }
}
