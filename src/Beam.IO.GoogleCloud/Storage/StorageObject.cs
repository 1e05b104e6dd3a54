using System.Globalization;
using System.Text.Json;

namespace Beam.IO.GoogleCloud.Storage;

/// <summary>What Cloud Storage says of an object.</summary>
/// <param name="Name">Its name within the bucket.</param>
/// <param name="Size">Its length in bytes.</param>
/// <param name="Generation">The number of its content: another one after every write.</param>
internal sealed record StorageObject(string Name, long Size, long Generation)
{
    public static StorageObject Read(JsonElement json) => new(
        json.GetProperty("name").GetString()!, Number(json, "size"), Number(json, "generation"));

    // The API writes 64-bit numbers as strings.
    private static long Number(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value)
            ? long.Parse(value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText(), CultureInfo.InvariantCulture)
            : 0;
}
