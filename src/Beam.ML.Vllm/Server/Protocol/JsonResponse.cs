using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>Writes an answer that is one JSON value.</summary>
internal static class JsonResponse
{
    /// <summary>The answers are read as JSON and never put into a page as they are: only what JSON itself reserves is escaped.</summary>
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    public static async Task WriteAsync(HttpResponse response, Action<Utf8JsonWriter> write)
    {
        response.ContentType = "application/json";
        await using (var json = new Utf8JsonWriter(response.BodyWriter, WriterOptions)) write(json);
        await response.BodyWriter.FlushAsync(response.HttpContext.RequestAborted);
    }
}
