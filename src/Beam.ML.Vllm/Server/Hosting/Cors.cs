using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>Lets pages of the origins that were named use the server from a browser.</summary>
internal sealed class Cors(IReadOnlyList<string> allowed)
{
    private const string MaxAgeSeconds = "600";

    /// <summary>Adds the headers that a browser asks for; returns whether that was all that the request wanted.</summary>
    public bool Handle(HttpContext http)
    {
        var origin = http.Request.Headers.Origin.ToString();
        if (origin.Length == 0 || allowed.Count == 0) return false;
        var headers = http.Response.Headers;
        headers.Vary = "Origin";
        if (!allowed.Contains("*") && !allowed.Contains(origin)) return false;
        headers.AccessControlAllowOrigin = origin;
        if (!HttpMethods.IsOptions(http.Request.Method)) return false;
        headers.AccessControlAllowMethods = "GET, POST";
        // Clients send headers of their own kinds, such as x-stainless-os; none has a meaning here that an origin must not use.
        var asked = http.Request.Headers.AccessControlRequestHeaders.ToString();
        headers.AccessControlAllowHeaders = asked.Length > 0 ? asked : "Authorization, Content-Type, X-Request-Id";
        headers.AccessControlMaxAge = MaxAgeSeconds;
        headers.Vary = "Origin, Access-Control-Request-Headers";
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        return true;
    }
}
