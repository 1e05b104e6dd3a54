using System.Text.Json;

namespace Beam.ML.Vllm.Weights;

/// <summary>Reads the small JSON files of a model folder.</summary>
internal static class JsonFile
{
    private const long MaxBytes = 64 << 20;

    /// <summary>Reads a file and hands its root, an object, to a function.</summary>
    public static T Read<T>(string path, Func<JsonElement, T> read)
    {
        using var json = Read(path);
        try
        {
            return read(json.RootElement);
        }
        catch (InvalidOperationException e)
        {
            throw new ModelLoadException($"'{path}' has text that is not Unicode; download it again.", e);
        }
    }

    private static JsonDocument Read(string path)
    {
        try
        {
            var length = new FileInfo(path).Length;
            if (length > MaxBytes) throw new ModelLoadException($"'{path}' has {length} bytes, over the limit of {MaxBytes}; it is not the file that it is named for.");
            var json = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            if (json.RootElement.ValueKind == JsonValueKind.Object) return json;
            json.Dispose();
            throw new ModelLoadException($"'{path}' is not a JSON object; download it again.");
        }
        catch (JsonException e)
        {
            throw new ModelLoadException($"'{path}' is not valid JSON ({e.Message}); download it again.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException($"'{path}' cannot be read: {e.Message}", e);
        }
    }
}
