using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/detokenize: the text of tokens.</summary>
internal sealed class DetokenizeEndpoint(ServerContext server) : IEndpoint
{
    public IReadOnlyList<string> Methods => EndpointMethods.Post;

    public async Task HandleAsync(HttpContext http)
    {
        var text = await server.ReadAsync(http, (fields, _) => Read(fields));
        await JsonResponse.WriteAsync(http.Response, json =>
        {
            json.WriteStartObject();
            json.WriteString("prompt"u8, text);
            json.WriteEndObject();
        });
    }

    private string Read(JsonFields fields)
    {
        if (server.Engine.Tokenizer is not { } tokenizer) throw ApiException.Invalid("The engine has no tokenizer (--skip-tokenizer-init), so it has no text for tokens.", "tokens");
        server.Models.Resolve(fields.String("model"));
        var tokens = JsonFields.AsTokenIds(fields.Array("tokens") ?? throw ApiException.Invalid("tokens must be given.", "tokens"), "tokens");
        if (tokens.FirstOrDefault(id => id >= server.Engine.VocabularySize, -1) is var unknown and >= 0)
            throw ApiException.Invalid($"Token id {unknown} is out of vocabulary: the model knows 0 to {server.Engine.VocabularySize - 1}.", "tokens");
        return tokenizer.Decode(tokens, skipSpecialTokens: false);
    }
}
