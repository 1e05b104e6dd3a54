namespace Beam.IO.GoogleCloud.Storage;

/// <summary>A bucket and the name of an object in it, or the beginning of one.</summary>
internal readonly record struct StoragePath(string Bucket, string Name)
{
    public const string Scheme = "gs://";

    private const int MaxNameBytes = 1024;

    /// <exception cref="BeamException">The path has no bucket, or a name that Cloud Storage cannot have.</exception>
    public static StoragePath Parse(string path)
    {
        if (!path.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)) throw Wrong(path, $"does not begin with {Scheme}");
        var rest = path[Scheme.Length..];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var (bucket, name) = slash < 0 ? (rest, "") : (rest[..slash], rest[(slash + 1)..]);
        if (bucket.Length is < 3 or > 222 || !bucket.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_' or '.'))
            throw Wrong(path, $"has '{bucket}' for a bucket; bucket names have 3 or more lower-case letters, digits, dots, hyphens and underscores");
        if (System.Text.Encoding.UTF8.GetByteCount(name) > MaxNameBytes) throw Wrong(path, $"has a name of over {MaxNameBytes} bytes");
        if (name.AsSpan().ContainsAny('\r', '\n', '\0')) throw Wrong(path, "has a line break or a null character in it");
        return new StoragePath(bucket, name);
    }

    public override string ToString() => $"{Scheme}{Bucket}/{Name}";

    private static BeamException Wrong(string path, string why) => new($"'{path}' is no path of Cloud Storage (gs://bucket/name): it {why}.");
}
