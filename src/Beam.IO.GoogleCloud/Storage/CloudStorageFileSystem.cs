using Beam.IO.GoogleCloud.Storage;

[assembly: Beam.IO.FileSystem("gs", typeof(CloudStorageFileSystem))]

namespace Beam.IO.GoogleCloud.Storage;

/// <summary>
/// Cloud Storage as a file system: <c>gs://bucket/name</c>. It has no folders, only names with slashes in them; a pattern is matched against
/// the objects whose names begin with what stands before its first wildcard. Credentials are Application Default Credentials;
/// <c>STORAGE_EMULATOR_HOST</c> names an emulator, which is called without any.
/// </summary>
public sealed class CloudStorageFileSystem : IFileSystem
{
    private readonly Lazy<StorageClient> _client;

    /// <summary>The service, or the emulator that the environment names.</summary>
    public CloudStorageFileSystem() => _client = new Lazy<StorageClient>(() => StorageClient.Create(Environment.GetEnvironmentVariable));

    internal CloudStorageFileSystem(StorageClient client) => _client = new Lazy<StorageClient>(client);

    private StorageClient Client => _client.Value;

    /// <inheritdoc/>
    public string Resolve(string path) => StoragePath.Parse(path).ToString();

    /// <inheritdoc/>
    /// <exception cref="BeamException">The bucket does not exist or may not be read.</exception>
    public IReadOnlyList<FileMetadata> Match(string pattern)
    {
        var path = StoragePath.Parse(pattern);
        try
        {
            var literal = Glob.LiteralPrefix(path.Name);
            if (literal.Length == path.Name.Length) return path.Name.Length > 0 && Client.Find(path) is { } found ? [Metadata(path.Bucket, found)] : [];
            return
            [
                .. Client.List(path.Bucket, literal)
                    .Where(file => Glob.MatchesPath(file.Name, path.Name))
                    .OrderBy(file => file.Name, StringComparer.Ordinal)
                    .Select(file => Metadata(path.Bucket, file)),
            ];
        }
        catch (IOException e)
        {
            throw new BeamException($"Cannot look for '{pattern}': {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public Stream OpenRead(string path, long offset = 0) => new StorageReadStream(Client, Object(path), offset);

    /// <inheritdoc/>
    public Stream Create(string path) => new StorageWriteStream(Client, Object(path));

    /// <inheritdoc/>
    public bool Exists(string path) => Client.Find(Object(path)) is not null;

    /// <summary>Copies within the service, then deletes: the new name appears all at once, the old one goes after it.</summary>
    /// <inheritdoc/>
    public void Move(string source, string destination)
    {
        var (from, to) = (Object(source), Object(destination));
        if (from == to) return;
        try
        {
            Client.Copy(from, to);
        }
        catch (StorageException e) when (e.Status == System.Net.HttpStatusCode.NotFound)
        {
            throw new FileNotFoundException($"There is no '{from}'.", from.ToString(), e);
        }

        Client.Delete(from);
    }

    /// <inheritdoc/>
    public void Delete(string path) => Client.Delete(Object(path));

    /// <inheritdoc/>
    public void DeleteFolder(string path)
    {
        var folder = StoragePath.Parse(path.TrimEnd('/') + "/");
        if (folder.Name.Length == 0) throw new ArgumentException($"'{path}' is a whole bucket; name a folder in it.", nameof(path));
        foreach (var file in Client.List(folder.Bucket, folder.Name)) Client.Delete(folder with { Name = file.Name });
    }

    /// <inheritdoc/>
    public (string Folder, string Name) Split(string path)
    {
        var full = StoragePath.Parse(path);
        var slash = full.Name.LastIndexOf('/');
        return slash < 0 ? ($"{StoragePath.Scheme}{full.Bucket}", full.Name) : ((full with { Name = full.Name[..slash] }).ToString(), full.Name[(slash + 1)..]);
    }

    /// <inheritdoc/>
    public string Combine(string folder, string name) => $"{folder.TrimEnd('/')}/{name}";

    /// <inheritdoc/>
    public void CheckWritable(string folder)
    {
        var bucket = StoragePath.Parse(folder).Bucket;
        try
        {
            if (!Client.MayCreate(bucket))
                throw new BeamException($"Cannot write to '{folder}': the account that runs this may not create objects in gs://{bucket}. Grant it a role such as Storage Object User, or choose another output.");
        }
        catch (StorageException e)
        {
            throw new BeamException($"Cannot write to '{folder}': {e.Message} Choose another output, or create the bucket.", e);
        }
    }

    private static StoragePath Object(string path)
    {
        var full = StoragePath.Parse(path);
        return full.Name.Length > 0 ? full : throw new BeamException($"'{path}' is a bucket; name an object in it.");
    }

    private static FileMetadata Metadata(string bucket, StorageObject file) =>
        new(new StoragePath(bucket, file.Name).ToString(), file.Size, file.Generation.ToString(System.Globalization.CultureInfo.InvariantCulture));
}
