using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Generation;

/// <summary>The ids that a request goes by: in its answer, and in the engine.</summary>
internal static class RequestIds
{
    private const int MaxLength = 128;

    /// <summary>An id for the engine, which wants one that no other request has: callers, and proxies that repeat a header, need not choose such.</summary>
    public static string ForEngine(string id) => $"{id}-{Guid.NewGuid().ToString("N")[..8]}";

    /// <summary>The one that the caller gave, in the header <c>X-Request-Id</c> or the field <c>request_id</c>, or a new one.</summary>
    public static string Make(HttpContext http, JsonFields fields, string prefix)
    {
        var header = http.Request.Headers["X-Request-Id"].ToString();
        var own = header.Length > 0 ? header : fields.String("request_id");
        if (own is null) return $"{prefix}-{Guid.NewGuid():N}";
        if (own.Length is 0 or > MaxLength || own.Any(char.IsControl)) throw ApiException.Invalid($"request_id must have 1 to {MaxLength} printable characters.", "request_id");
        return $"{prefix}-{own}";
    }
}
