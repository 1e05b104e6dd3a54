using System.Text.Json;

namespace Beam.ML.Vllm.Weights;

/// <summary>generation_config.json: which tokens end a text, and how the model's makers would sample.</summary>
internal sealed record GenerationConfig(
    IReadOnlyList<int> EosTokenIds, float? Temperature, float? TopP, int? TopK, float? MinP)
{
    /// <summary>Reads the file, or gives an empty configuration where there is none.</summary>
    public static GenerationConfig Load(string folder)
    {
        var path = Path.Combine(folder, "generation_config.json");
        if (!File.Exists(path)) return new GenerationConfig([], null, null, null, null);
        return JsonFile.Read(path, root => new GenerationConfig(
            ReadTokenIds(root, "eos_token_id"),
            Number(root, "temperature"),
            Number(root, "top_p"),
            (int?)Number(root, "top_k"),
            Number(root, "min_p")));
    }

    /// <summary>Token ids come as a number or as a list of numbers.</summary>
    public static int[] ReadTokenIds(JsonElement root, string key)
    {
        if (!root.TryGetProperty(key, out var value)) return [];
        return value.ValueKind switch
        {
            JsonValueKind.Number when value.TryGetInt32(out var id) => [id],
            JsonValueKind.Array => [.. value.EnumerateArray().Where(e => e.ValueKind == JsonValueKind.Number && e.TryGetInt32(out _)).Select(e => e.GetInt32())],
            _ => [],
        };
    }

    private static float? Number(JsonElement root, string key) =>
        root.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out var number) ? number : null;
}
