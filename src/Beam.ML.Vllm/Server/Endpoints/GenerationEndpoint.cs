using Beam.ML.Vllm.Server.Generation;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>An endpoint that has the engine generate: it reads what is wanted, makes ready what all prompts share, lets go of the body, and then answers.</summary>
internal abstract class GenerationEndpoint(ServerContext server) : IEndpoint
{
    private readonly Generator _generator = new(server);

    public IReadOnlyList<string> Methods => EndpointMethods.Post;

    /// <summary>What it has the engine serve.</summary>
    protected ServerContext Server => server;

    public async Task HandleAsync(HttpContext http)
    {
        var (request, prepared, format) = await server.ReadAsync(http, (fields, cancellationToken) =>
        {
            var (request, format) = Read(http, fields, cancellationToken);
            return (request, _generator.Prepare(request, cancellationToken), format);
        });
        await _generator.AnswerAsync(http, request, prepared, format);
    }

    /// <exception cref="ApiException">A field is wrong.</exception>
    protected abstract (GenerationRequest Request, IAnswerFormat Format) Read(HttpContext http, JsonFields fields, CancellationToken cancellationToken);
}
