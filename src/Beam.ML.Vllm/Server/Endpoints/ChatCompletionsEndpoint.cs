using System.Text.Json;
using Beam.ML.Vllm.Server.Generation;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Beam.ML.Vllm.Server.Tools;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/v1/chat/completions: answers conversations.</summary>
internal sealed class ChatCompletionsEndpoint(ServerContext server) : GenerationEndpoint(server)
{
    protected override (GenerationRequest Request, IAnswerFormat Format) Read(HttpContext http, JsonFields fields, CancellationToken cancellationToken)
    {
        var model = Server.Models.Resolve(fields.String("model"));
        var stream = StreamOptions.Read(fields, Server.Options.EnableForceIncludeUsage);
        var withLogprobs = fields.Bool("logprobs");
        var topLogprobs = SamplingFields.Count(fields, "top_logprobs");
        if (!withLogprobs && topLogprobs is not (null or 0)) throw ApiException.Invalid("top_logprobs needs logprobs=true.", "top_logprobs");
        if (!withLogprobs && fields.Has("logprob_token_ids")) throw ApiException.Invalid("logprob_token_ids needs logprobs=true.", "logprob_token_ids");
        var parameters = SamplingFields.Read(fields, Server.Engine.DefaultSamplingParams);
        parameters = SamplingFields.Check(parameters with
        {
            Logprobs = withLogprobs && parameters.LogprobTokenIds is null ? topLogprobs ?? 0 : null,
            MaxTokens = Server.Models.Limit(fields.Int("max_completion_tokens") ?? fields.Int("max_tokens") ?? Server.Models.DefaultChatTokens),
        });
        var tools = ToolChoice.Read(fields, parameters, Server.Options.ToolCallParser);
        var prompt = Server.Prompts.Truncate(Server.Chat.Render(fields, Server.Prompts, cancellationToken), fields, parameters.MaxTokens);
        var request = new GenerationRequest
        {
            Id = RequestIds.Make(http, fields, "chatcmpl"),
            Model = model,
            Lora = Server.Models.Adapter(model),
            Prompts = [prompt],
            IsChat = true,
            Parameters = tools.Parameters,
            Constraint = tools.Origin ?? OutputConstraint.OriginOf(fields),
            Search = BeamSearchFields.Read(fields, tools.Parameters, stream, Server.Engine.MaxModelLength),
            Priority = fields.Int("priority") ?? 0,
            Stream = stream,
            TokensAsIds = fields.Bool("return_tokens_as_token_ids", otherwise: Server.Options.ReturnTokensAsTokenIds),
        };
        var last = LastMessage(fields);
        // An answer that no new message is begun for goes on with the last.
        var role = fields.Bool("add_generation_prompt", otherwise: !fields.Bool("continue_final_message")) ? Server.Options.ResponseRole : last.String("role")!;
        return (request, new ChatFormat(request, Server)
        {
            Role = role,
            Prefix = fields.Bool("echo") && last.String("role") == role && last.Get("content") is { ValueKind: JsonValueKind.String } ? last.String("content")! : "",
            Tools = tools,
            WithLogprobs = withLogprobs,
            ReturnTokenIds = fields.Bool("return_token_ids"),
        });
    }

    private static JsonFields LastMessage(JsonFields fields)
    {
        var messages = fields.Array("messages")!.Value;
        return new JsonFields(messages[messages.GetArrayLength() - 1]);
    }
}
