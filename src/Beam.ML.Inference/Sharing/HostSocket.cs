using System.Text;

namespace Beam.ML.Inference.Sharing;

/// <summary>Where a host's Unix domain socket is: with the model's other files, or where that is too long for a socket, in a folder of its own.</summary>
internal static class HostSocket
{
    // sockaddr_un holds 108 bytes on Linux and 104 on macOS, the final zero included.
    private const int MaxPath = 100;
    private const string FolderPrefix = "beam-";

    /// <exception cref="IOException">There is no path that is short enough.</exception>
    public static string NewPath(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        if (Fits(path)) return path;
        // Made under a random name, and for this user alone: nobody can have put it there before.
        var own = Directory.CreateTempSubdirectory(FolderPrefix).FullName;
        path = Path.Combine(own, name);
        if (Fits(path)) return path;
        Directory.Delete(own);
        throw new IOException($"A Unix socket's path has at most {MaxPath} bytes, and '{path}' has more: set TMPDIR to a shorter folder.");
    }

    /// <summary>Deletes a socket, and the folder that was made for it.</summary>
    public static void Delete(string path)
    {
        if (path.Length == 0) return;
        try
        {
            File.Delete(path);
            var folder = Path.GetDirectoryName(path)!;
            if (Path.GetFileName(folder).StartsWith(FolderPrefix, StringComparison.Ordinal)) Directory.Delete(folder);
        }
        catch (DirectoryNotFoundException)
        {
            // It is gone.
        }
    }

    private static bool Fits(string path) => Encoding.UTF8.GetByteCount(path) <= MaxPath;
}
