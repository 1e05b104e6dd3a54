using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Beam.ML.Inference.Sharing;

/// <summary>
/// The files by which the workers of a machine agree on the host of one copy of a model: lease, generation, record. Only the holder of the
/// lease writes, and what it writes appears as a whole.
/// </summary>
internal sealed class HostDirectory
{
    // sockaddr_un holds 108 bytes on Linux and 104 on macOS, the final zero included.
    private const int MaxSocketPath = 100;

    private readonly string folder;
    private readonly int copy;

    public HostDirectory(string workDirectory, string tag, int copy)
    {
        this.copy = copy;
        folder = Path.Combine(workDirectory, "models", tag);
        CreatePrivate(folder);
    }

    public string LeasePath => FileOf("lock");

    public string RecordPath => FileOf("json");

    /// <summary>Where the handler lies that the hosts load; the same for all copies.</summary>
    public string HandlerPath => Path.Combine(folder, "handler");

    /// <summary>The record, or null if there is none that can be read.</summary>
    public HostRecord? Read()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(RecordPath), HostRecordJson.Default.HostRecord);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return null;
        }
    }

    public void Publish(HostRecord record) => WriteAtomically(RecordPath, JsonSerializer.SerializeToUtf8Bytes(record, HostRecordJson.Default.HostRecord));

    public void Withdraw() => File.Delete(RecordPath);

    /// <summary>The next fencing token. Called by the holder of the lease only.</summary>
    public long NextGeneration()
    {
        var path = FileOf("generation");
        var last = 0L;
        if (File.Exists(path) && !long.TryParse(File.ReadAllText(path), NumberStyles.None, CultureInfo.InvariantCulture, out last))
            throw new InvalidDataException($"'{path}' does not hold a number; somebody else wrote to the job's work directory.");
        WriteAtomically(path, Encoding.ASCII.GetBytes((last + 1).ToString(CultureInfo.InvariantCulture)));
        return last + 1;
    }

    /// <summary>Writes the handler's payload unless it is there.</summary>
    public void WriteHandler(ReadOnlySpan<byte> payload)
    {
        if (!File.Exists(HandlerPath)) WriteAtomically(HandlerPath, payload);
    }

    /// <summary>A path for the socket of a generation, short enough for a socket address.</summary>
    public string SocketPath(long generation)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{copy}-{generation}.sock");
        var path = Path.Combine(folder, name);
        if (Encoding.UTF8.GetByteCount(path) <= MaxSocketPath) return path;
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(folder)).AsSpan(0, 8));
        var other = Path.Combine(Path.GetTempPath(), $"beam-{hash}");
        CreatePrivate(other);
        return Path.Combine(other, name);
    }

    private string FileOf(string kind) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{copy}.{kind}"));

    private static void CreatePrivate(string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static void WriteAtomically(string path, ReadOnlySpan<byte> content)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var file = new FileStream(temporary, options)) file.Write(content);
        File.Move(temporary, path, overwrite: true);
    }
}
