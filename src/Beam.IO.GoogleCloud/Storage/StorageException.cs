using System.Net;
using System.Text.Json;

namespace Beam.IO.GoogleCloud.Storage;

/// <summary>Cloud Storage refused a call.</summary>
internal sealed class StorageException(HttpStatusCode status, string message) : IOException(message)
{
    private const int MaxErrorBytes = 64 << 10;

    public HttpStatusCode Status => status;

    /// <summary>Whether the same call may succeed later.</summary>
    public bool IsTransient => status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)status is >= 500 and <= 599;

    public static StorageException From(HttpResponseMessage response, string what)
    {
        var reason = Reason(response);
        var hint = response.StatusCode switch
        {
            HttpStatusCode.Unauthorized => " Sign in again with `gcloud auth application-default login`.",
            HttpStatusCode.Forbidden => " Grant the account that runs this a role such as Storage Object User on the bucket.",
            _ => "",
        };
        return new StorageException(response.StatusCode, $"{what}: Cloud Storage answered {(int)response.StatusCode} ({reason}).{hint}");
    }

    private static string Reason(HttpResponseMessage response)
    {
        try
        {
            using var body = response.Content.ReadAsStream();
            var bytes = new byte[MaxErrorBytes];
            var length = body.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            using var json = JsonDocument.Parse(bytes.AsMemory(0, length));
            return json.RootElement.GetProperty("error").GetProperty("message").GetString()!.ReplaceLineEndings(" ");
        }
        catch (Exception e) when (e is IOException or JsonException or KeyNotFoundException or InvalidOperationException or HttpRequestException)
        {
            return response.ReasonPhrase ?? "no reason given";
        }
    }
}
