using Beam.ML.Vllm.Server.Generation;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/v1/completions: continues prompts.</summary>
internal sealed class CompletionsEndpoint(ServerContext server) : GenerationEndpoint(server)
{
    protected override (GenerationRequest Request, IAnswerFormat Format) Read(HttpContext http, JsonFields fields, CancellationToken cancellationToken)
    {
        if (fields.Has("suffix")) throw ApiException.Invalid("suffix is not supported: models continue a prompt, they do not fill a gap.", "suffix");
        var model = Server.Models.Resolve(fields.String("model"));
        var stream = StreamOptions.Read(fields, Server.Options.EnableForceIncludeUsage);
        var echo = fields.Bool("echo");
        var maxTokens = fields.Int("max_tokens");
        // To be told of the prompt alone, one asks for no tokens; the engine makes one, and it is left out.
        var promptOnly = echo && maxTokens == 0;
        var logprobs = SamplingFields.Count(fields, "logprobs");
        if (fields.Has("logprob_token_ids") && logprobs is null) throw ApiException.Invalid("logprob_token_ids needs logprobs.", "logprob_token_ids");
        var defaults = Server.Engine.DefaultSamplingParams;
        var parameters = SamplingFields.Read(fields, defaults);
        parameters = SamplingFields.Check(parameters with
        {
            MaxTokens = promptOnly ? 1 : Server.Models.Limit(maxTokens ?? defaults.MaxTokens),
            Logprobs = parameters.LogprobTokenIds is null ? logprobs : null,
            PromptLogprobs = parameters.PromptLogprobs ?? (echo ? logprobs : null),
        });
        var prompts = Server.Prompts.Read(fields, "prompt", Server.Options.MaxPromptsPerRequest, cancellationToken)
            .ConvertAll(prompt => Server.Prompts.Truncate(prompt, fields, parameters.MaxTokens));
        if (echo && !fields.Bool("return_token_ids"))
        {
            if (Server.Engine.Tokenizer is not { } tokenizer)
                throw ApiException.Invalid("echo needs a tokenizer, and the engine has none (--skip-tokenizer-init); return_token_ids has the prompt's tokens.", "echo");
            for (var i = 0; i < prompts.Count; i++)
                if (prompts[i].Text is null) prompts[i] = prompts[i] with { Text = tokenizer.Decode(prompts[i].TokenIds, skipSpecialTokens: false) };
        }

        var request = new GenerationRequest
        {
            Id = RequestIds.Make(http, fields, "cmpl"),
            Model = model,
            Lora = Server.Models.Adapter(model),
            Prompts = prompts,
            Parameters = parameters,
            Constraint = OutputConstraint.OriginOf(fields),
            Search = BeamSearchFields.Read(fields, parameters, stream, Server.Engine.MaxModelLength),
            Priority = fields.Int("priority") ?? 0,
            Stream = stream,
            TokensAsIds = fields.Bool("return_tokens_as_token_ids", otherwise: Server.Options.ReturnTokensAsTokenIds),
        };
        return (request, new CompletionFormat(request, Server)
        {
            Echo = echo,
            PromptOnly = promptOnly,
            WithLogprobs = logprobs is not null,
            ReturnTokenIds = fields.Bool("return_token_ids"),
        });
    }
}
