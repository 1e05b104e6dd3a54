using System.Reflection;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/health and /ping: 200 while the engine serves, 503 once it is dead.</summary>
internal sealed class HealthEndpoint(LlmEngine engine) : IEndpoint
{
    public IReadOnlyList<string> Methods => EndpointMethods.GetOrPost;

    public Task HandleAsync(HttpContext http) =>
        engine.IsAlive ? Task.CompletedTask : throw new EngineDeadException("The engine has stopped.");
}

/// <summary>/version.</summary>
internal sealed class VersionEndpoint : IEndpoint
{
    public static string Version { get; } =
        typeof(VersionEndpoint).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0.0.0";

    public IReadOnlyList<string> Methods => EndpointMethods.Get;

    public Task HandleAsync(HttpContext http) => JsonResponse.WriteAsync(http.Response, json =>
    {
        json.WriteStartObject();
        json.WriteString("version"u8, Version);
        json.WriteEndObject();
    });
}

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
