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
        int[] tokens;
        bool withStrings;
        using (var body = await RequestBody.ReadAsync(http.Request, http.RequestAborted))
        {
            var fields = new JsonFields(body.Json);
            server.Models.Resolve(fields.String("model"));
            withStrings = fields.Bool("return_token_strs");
            if (fields.Has("messages")) tokens = server.Chat.Render(fields, server.Prompts, http.RequestAborted).TokenIds;
            else if (fields.String("prompt") is { } prompt) tokens = server.Prompts.Tokenizer.Encode(prompt, fields.Bool("add_special_tokens", otherwise: true));
            else throw ApiException.Invalid("prompt or messages must be given.", "prompt");
        }

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
}

/// <summary>/detokenize: the text of tokens.</summary>
internal sealed class DetokenizeEndpoint(ServerContext server) : IEndpoint
{
    public IReadOnlyList<string> Methods => EndpointMethods.Post;

    public async Task HandleAsync(HttpContext http)
    {
        string text;
        using (var body = await RequestBody.ReadAsync(http.Request, http.RequestAborted))
        {
            var fields = new JsonFields(body.Json);
            server.Models.Resolve(fields.String("model"));
            var tokens = JsonFields.AsTokenIds(fields.Array("tokens") ?? throw ApiException.Invalid("tokens must be given.", "tokens"), "tokens");
            if (tokens.FirstOrDefault(id => id >= server.Engine.VocabularySize, -1) is var unknown and >= 0)
                throw ApiException.Invalid($"Token id {unknown} is out of vocabulary: the model knows 0 to {server.Engine.VocabularySize - 1}.", "tokens");
            text = server.Prompts.Tokenizer.Decode(tokens, skipSpecialTokens: false);
        }

        await JsonResponse.WriteAsync(http.Response, json =>
        {
            json.WriteStartObject();
            json.WriteString("prompt"u8, text);
            json.WriteEndObject();
        });
    }
}
