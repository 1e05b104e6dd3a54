using System.Text.Json;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server.Hosting;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>The fields of a request's object. A field that is null counts as absent; one of the wrong type is refused by its name.</summary>
internal readonly struct JsonFields(JsonElement json, string prefix = "", HashSet<string>? read = null)
{
    public JsonElement Json => json;

    /// <summary>The fields of a whole request, which knows of those that are asked for.</summary>
    public static JsonFields OfRequest(JsonElement json) => new(json, read: new HashSet<string>(StringComparer.Ordinal));

    /// <summary>The fields that have a value and that nobody has asked for.</summary>
    public IEnumerable<string> Unread()
    {
        var asked = read;
        return asked is null ? [] : json.EnumerateObject().Where(field => field.Value.ValueKind != JsonValueKind.Null && !asked.Contains(field.Name)).Select(field => field.Name);
    }

    /// <summary>Notes that a field has been read by other ways.</summary>
    public void MarkRead(string name) => read?.Add(name);

    public JsonElement? Get(string name)
    {
        MarkRead(name);
        return Find(name);
    }

    private JsonElement? Find(string name) => json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public bool Has(string name) => Get(name) is not null;

    public string? String(string name) => Get(name) is { } value ? AsString(value, prefix + name) : null;

    public bool Bool(string name, bool otherwise = false) => Get(name) switch
    {
        null => otherwise,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Wrong(name, "true or false", value),
    };

    public int? Int(string name) => Get(name) is { } value ? AsInt(value, prefix + name) : null;

    public double? Double(string name) =>
        Get(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number) ? number
        : throw Wrong(name, "a number", value);

    public JsonFields? Object(string name) => Get(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } value => new JsonFields(value, $"{prefix}{name}."),
        { } value => throw Wrong(name, "an object", value),
    };

    public JsonElement? Array(string name) => Get(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Array } value => value,
        { } value => throw Wrong(name, "a list", value),
    };

    public ApiException Wrong(string name, string expected, JsonElement value) => WrongAt(prefix + name, expected, value);

    public static string AsString(JsonElement value, string path) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw WrongAt(path, "a string", value);

    public static int AsInt(JsonElement value, string path) =>
        value.ValueKind == JsonValueKind.Number && value.TryToInt32(out var number) ? number : throw WrongAt(path, "a whole number of 32 bits", value);

    public static int[] AsTokenIds(JsonElement list, string path)
    {
        var ids = new int[list.GetArrayLength()];
        var count = 0;
        foreach (var value in list.EnumerateArray())
        {
            if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out var id) || id < 0) throw WrongAt($"{path}[{count}]", "a token id", value);
            ids[count++] = id;
        }

        return ids;
    }

    private static ApiException WrongAt(string path, string expected, JsonElement value) =>
        ApiException.Invalid($"{path} must be {expected}, got {Shorten(value)}.", path);

    private static string Shorten(JsonElement value)
    {
        var text = value.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "…";
    }
}
