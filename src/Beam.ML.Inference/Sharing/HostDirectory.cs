using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Beam.ML.Inference.Sharing;

/// <summary>
/// The files by which the workers of a machine agree on the host of one copy of a model: lease, generation, record. Only the holder of the
/// lease writes, and what it writes appears as a whole.
/// </summary>
internal sealed class HostDirectory
{
    private readonly string folder;
    private readonly int copy;

    public HostDirectory(string workDirectory, string tag, int copy)
    {
        this.copy = copy;
        folder = Path.Combine(workDirectory, "models", tag);
        CreatePrivate(folder);
    }

    public string LeasePath => FileOf("lock");

    /// <summary>The lease of the worker whose requests are suspected of killing hosts; the same for all copies.</summary>
    public string QuarantinePath => Path.Combine(folder, "quarantine.lock");

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

    /// <exception cref="HostSupersededException">Somebody else started a host of a later generation.</exception>
    public void Publish(HostRecord record)
    {
        if (LastGeneration() > record.Generation) throw new HostSupersededException($"The model {record} was superseded.");
        WriteAtomically(RecordPath, JsonSerializer.SerializeToUtf8Bytes(record, HostRecordJson.Default.HostRecord));
    }

    /// <summary>Whether another host than the given was published meanwhile, which cannot be while the lease is held by one worker only.</summary>
    public bool IsSuperseded(HostRecord record) => Read() is { } published && published.Token != record.Token;

    /// <summary>Takes a host's record back, unless another's is in its place.</summary>
    public void Withdraw(HostRecord record)
    {
        if (Read() is { Error: null } published && published.Token == record.Token) File.Delete(RecordPath);
    }

    /// <summary>The next fencing token. Called by the holder of the lease only.</summary>
    public long NextGeneration()
    {
        var next = LastGeneration() + 1;
        WriteAtomically(GenerationPath, Encoding.ASCII.GetBytes(next.ToString(CultureInfo.InvariantCulture)));
        return next;
    }

    /// <summary>Writes the handler's payload unless it is there.</summary>
    public void WriteHandler(ReadOnlySpan<byte> payload)
    {
        if (!File.Exists(HandlerPath)) WriteAtomically(HandlerPath, payload);
    }

    /// <summary>A path for the socket of a generation, which <see cref="HostSocket.Delete"/> deletes.</summary>
    public string NewSocket(long generation) => HostSocket.NewPath(folder, string.Create(CultureInfo.InvariantCulture, $"{copy}-{generation}.sock"));

    private string GenerationPath => FileOf("generation");

    private long LastGeneration()
    {
        var last = 0L;
        if (File.Exists(GenerationPath) && !long.TryParse(File.ReadAllText(GenerationPath), NumberStyles.None, CultureInfo.InvariantCulture, out last))
            throw new InvalidDataException($"'{GenerationPath}' does not hold a number; somebody else wrote to the job's work directory.");
        return last;
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
