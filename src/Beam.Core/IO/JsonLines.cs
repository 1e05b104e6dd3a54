using System.Text.Encodings.Web;
using System.Text.Json;

namespace Beam.IO;

/// <summary>How records are written as JSON unless the caller says otherwise.</summary>
public static class JsonLines
{
    /// <summary>
    /// New options: names in snake_case, text as it is (not escaped beyond what JSON needs), and values that a record requires must be there.
    /// </summary>
    public static JsonSerializerOptions CreateOptions() => new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    internal static JsonSerializerOptions Options(Func<JsonSerializerOptions>? create) => create?.Invoke() ?? CreateOptions();
}
