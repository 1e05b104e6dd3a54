using Beam.ML.Vllm.Server.Generation;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>An endpoint that has the engine generate: it reads what is wanted, lets go of the body, and then answers.</summary>
internal abstract class GenerationEndpoint(ServerContext server) : IEndpoint
{
    private readonly Generator _generator = new(server);

    public IReadOnlyList<string> Methods => EndpointMethods.Post;

    /// <summary>What it has the engine serve.</summary>
    protected ServerContext Server => server;

    public async Task HandleAsync(HttpContext http)
    {
        GenerationRequest request;
        IAnswerFormat format;
        using (var body = await RequestBody.ReadAsync(http.Request, http.RequestAborted))
        {
            var fields = JsonFields.OfRequest(body.Json);
            (request, format) = Read(http, fields);
            RequestTrace.Of(http).Ignore(fields);
        }

        await _generator.AnswerAsync(http, request, format);
    }

    /// <exception cref="ApiException">A field is wrong.</exception>
    protected abstract (GenerationRequest Request, IAnswerFormat Format) Read(HttpContext http, JsonFields fields);
}
