using System.Text.Json;
using Beam.ML.Vllm.Server.Hosting;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>Errors as OpenAI's clients read them.</summary>
internal static class ErrorJson
{
    public static void Write(Utf8JsonWriter json, ApiException error)
    {
        json.WriteStartObject();
        json.WriteStartObject("error"u8);
        json.WriteString("message"u8, error.Message);
        json.WriteString("type"u8, error.Type);
        json.WriteString("param"u8, error.Parameter);
        json.WriteNumber("code"u8, error.Status);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    public static Task WriteAsync(HttpContext http, ApiException error)
    {
        http.Response.StatusCode = error.Status;
        if (error.Status == StatusCodes.Status401Unauthorized) http.Response.Headers.WWWAuthenticate = "Bearer";
        if (error.RetryAfter is { } seconds) http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return JsonResponse.WriteAsync(http.Response, json => Write(json, error));
    }
}
