using System.Text.Json;
using Beam.ML.Vllm.Server.Generation;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Beam.ML.Vllm.Server.Tools;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/v1/chat/completions: answers conversations.</summary>
internal sealed class ChatCompletionsEndpoint(ServerContext server) : IEndpoint
{
    private readonly Generator _generator = new(server);

    public IReadOnlyList<string> Methods => EndpointMethods.Post;

    public async Task HandleAsync(HttpContext http)
    {
        GenerationRequest request;
        ChatFormat format;
        using (var body = await RequestBody.ReadAsync(http.Request, http.RequestAborted))
        {
            var fields = JsonFields.OfRequest(body.Json);
            (request, format) = Read(http, fields);
            RequestTrace.Of(http).Ignore(fields);
        }

        await _generator.AnswerAsync(http, request, format);
    }

    private (GenerationRequest Request, ChatFormat Format) Read(HttpContext http, JsonFields fields)
    {
        var model = server.Models.Resolve(fields.String("model"));
        var stream = StreamOptions.Read(fields);
        var withLogprobs = fields.Bool("logprobs");
        var topLogprobs = SamplingFields.Count(fields, "top_logprobs");
        if (!withLogprobs && topLogprobs is not (null or 0)) throw ApiException.Invalid("top_logprobs needs logprobs=true.", "top_logprobs");
        if (!withLogprobs && fields.Has("logprob_token_ids")) throw ApiException.Invalid("logprob_token_ids needs logprobs=true.", "logprob_token_ids");
        var parameters = SamplingFields.Read(fields, server.Engine.DefaultSamplingParams);
        parameters = SamplingFields.Check(parameters with
        {
            Logprobs = withLogprobs && parameters.LogprobTokenIds is null ? topLogprobs ?? 0 : null,
            MaxTokens = fields.Int("max_completion_tokens") ?? fields.Int("max_tokens") ?? server.Models.DefaultChatTokens,
        });
        var tools = ToolChoice.Read(fields, parameters, server.Options.ToolCallParser);
        var prompt = server.Prompts.Truncate(server.Chat.Render(fields, server.Prompts), fields, parameters.MaxTokens);
        var request = new GenerationRequest
        {
            Id = RequestIds.Make(http, fields, "chatcmpl"),
            Model = model,
            Lora = server.Models.Adapter(model),
            Prompts = [prompt],
            IsChat = true,
            Parameters = tools.Parameters,
            Search = BeamSearchFields.Read(fields, tools.Parameters, stream, server.Engine.MaxModelLength),
            Priority = fields.Int("priority") ?? 0,
            Stream = stream,
        };
        return (request, new ChatFormat(request, server)
        {
            Prefix = fields.Bool("echo") ? LastMessage(fields, server.Options.ResponseRole) : "",
            Tools = tools,
            WithLogprobs = withLogprobs,
            ReturnTokenIds = fields.Bool("return_token_ids"),
        });
    }

    private static string LastMessage(JsonFields fields, string role)
    {
        var messages = fields.Array("messages")!.Value;
        var last = new JsonFields(messages[messages.GetArrayLength() - 1]);
        return last.String("role") == role && last.Get("content") is { ValueKind: JsonValueKind.String } ? last.String("content")! : "";
    }
}
