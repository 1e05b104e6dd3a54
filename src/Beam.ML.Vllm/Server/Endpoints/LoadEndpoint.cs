using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/load: how many sequences the server has, for a load balancer.</summary>
internal sealed class LoadEndpoint(ServerContext server) : IEndpoint
{
    public IReadOnlyList<string> Methods => EndpointMethods.Get;

    public Task HandleAsync(HttpContext http) => JsonResponse.WriteAsync(http.Response, json =>
    {
        json.WriteStartObject();
        json.WriteNumber("server_load"u8, server.Admission.Sequences);
        json.WriteEndObject();
    });
}
