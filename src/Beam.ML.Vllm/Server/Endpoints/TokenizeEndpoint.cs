using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/tokenize: the tokens of a prompt, or of a conversation.</summary>
internal sealed class TokenizeEndpoint(ServerContext server) : IEndpoint
{
    public IReadOnlyList<string> Methods => EndpointMethods.Post;

    public async Task HandleAsync(HttpContext http)
    {
        var (tokens, withStrings) = await server.ReadAsync(http, Read);
        await JsonResponse.WriteAsync(http.Response, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("count"u8, tokens.Length);
            json.WriteNumber("max_model_len"u8, server.Engine.MaxModelLength);
            ChoiceJson.WriteTokenIds(json, "tokens", tokens);
            if (withStrings)
            {
                json.WriteStartArray("token_strs"u8);
                foreach (var token in tokens) json.WriteStringValue(server.Prompts.Tokenizer.IdToToken(token));
                json.WriteEndArray();
            }
            else
            {
                json.WriteNull("token_strs"u8);
            }

            json.WriteEndObject();
        });
    }

    private (int[] Tokens, bool WithStrings) Read(JsonFields fields, CancellationToken cancellationToken)
    {
        server.Models.Resolve(fields.String("model"));
        var withStrings = fields.Bool("return_token_strs");
        if (fields.Has("messages")) return (server.Chat.Render(fields, server.Prompts, cancellationToken).TokenIds, withStrings);
        if (fields.String("prompt") is not { } prompt) throw ApiException.Invalid("prompt or messages must be given.", "prompt");
        return (server.Prompts.Tokenizer.Encode(prompt, fields.Bool("add_special_tokens", otherwise: true)), withStrings);
    }
}
