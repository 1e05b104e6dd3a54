using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>What one path of the server does.</summary>
internal interface IEndpoint
{
    IReadOnlyList<string> Methods { get; }

    Task HandleAsync(HttpContext http);
}

internal static class EndpointMethods
{
    public static readonly IReadOnlyList<string> Get = [HttpMethods.Get];
    public static readonly IReadOnlyList<string> Post = [HttpMethods.Post];
    public static readonly IReadOnlyList<string> GetOrPost = [HttpMethods.Get, HttpMethods.Post];
}
