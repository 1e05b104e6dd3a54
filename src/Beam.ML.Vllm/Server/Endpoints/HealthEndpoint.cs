using Beam.ML.Vllm.Engine;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/health and /ping: 200 while the engine serves, 503 once it is dead.</summary>
internal sealed class HealthEndpoint(LlmEngine engine) : IEndpoint
{
    public IReadOnlyList<string> Methods => EndpointMethods.GetOrPost;

    public Task HandleAsync(HttpContext http) =>
        engine.IsAlive ? Task.CompletedTask : throw new EngineDeadException("The engine has stopped.");
}
