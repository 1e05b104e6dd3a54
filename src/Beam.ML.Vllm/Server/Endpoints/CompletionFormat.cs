using System.Text.Json;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server.Generation;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using static Beam.ML.Vllm.Server.Protocol.ChoiceJson;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>Writes <c>text_completion</c> objects.</summary>
internal sealed class CompletionFormat(GenerationRequest request, ServerContext server) : IAnswerFormat
{
    private readonly ServerOptions _options = server.Options;
    private readonly LogprobsJson _logprobs = new(server, request.TokensAsIds);
    private readonly Choice[] _choices = new Choice[request.Choices];
    private readonly IReadOnlyList<PositionLogprobs?>?[] _promptLogprobs = new IReadOnlyList<PositionLogprobs?>?[request.Prompts.Count];

    /// <summary>The text begins with the prompt.</summary>
    public bool Echo { get; init; }

    /// <summary>The text is the prompt alone.</summary>
    public bool PromptOnly { get; init; }

    public bool WithLogprobs { get; init; }

    public bool ReturnTokenIds { get; init; }

    public void Write(Utf8JsonWriter json, IReadOnlyList<RequestOutput> outputs, Usage usage)
    {
        json.WriteStartObject();
        WriteHead(json);
        json.WriteStartArray(Names.Choices);
        for (var prompt = 0; prompt < outputs.Count; prompt++)
            foreach (var output in outputs[prompt].Outputs) WriteChoice(json, prompt, outputs[prompt], output, streamed: false);
        json.WriteEndArray();
        ChoiceJson.WriteUsage(json, Counted(usage), _options.EnablePromptTokensDetails);
        json.WriteEndObject();
    }

    public void WriteEvents(EventStream stream, int prompt, RequestOutput output)
    {
        foreach (var completion in output.Outputs)
        {
            var json = stream.Begin();
            json.WriteStartObject();
            WriteHead(json);
            json.WriteStartArray(Names.Choices);
            WriteChoice(json, prompt, output, completion, streamed: true);
            json.WriteEndArray();
            if (request.Stream.ContinuousUsage)
            {
                var tokens = _choices[IndexOf(prompt, completion)].Tokens;
                ChoiceJson.WriteUsage(json, new Usage(output.Metrics.PromptTokens, tokens, output.Metrics.CachedTokens), _options.EnablePromptTokensDetails);
            }

            json.WriteEndObject();
            stream.End();
        }
    }

    public void WriteUsage(Utf8JsonWriter json, Usage usage)
    {
        json.WriteStartObject();
        WriteHead(json);
        json.WriteStartArray(Names.Choices);
        json.WriteEndArray();
        ChoiceJson.WriteUsage(json, Counted(usage), _options.EnablePromptTokensDetails);
        json.WriteEndObject();
    }

    private void WriteHead(Utf8JsonWriter json)
    {
        json.WriteString(Names.Id, request.Id);
        json.WriteString(Names.Object, "text_completion"u8);
        json.WriteNumber(Names.Created, request.Created);
        json.WriteString(Names.Model, request.Model);
    }

    private void WriteChoice(Utf8JsonWriter json, int prompt, RequestOutput output, CompletionOutput completion, bool streamed)
    {
        ref var choice = ref _choices[IndexOf(prompt, completion)];
        var first = !choice.Started;
        var text = PromptOnly ? "" : completion.Text;
        if (Echo && first && !ReturnTokenIds) text = request.Prompts[prompt].Text + text;
        _promptLogprobs[prompt] = output.PromptLogprobs ?? _promptLogprobs[prompt];

        json.WriteStartObject();
        json.WriteNumber(Names.Index, IndexOf(prompt, completion));
        json.WriteString(Names.Text, text);
        json.WritePropertyName(Names.Logprobs);
        if (WithLogprobs) _logprobs.WriteCompletion(json, Positions(prompt, output, completion, withPrompt: Echo && first), choice.Text);
        else json.WriteNullValue();
        choice = new Choice(true, choice.Tokens + completion.TokenIds.Count, choice.Text + (WithLogprobs ? LogprobsJson.LengthOf(text) : 0));
        WriteFinish(json, completion.FinishReason, completion.StopReason);
        if (ReturnTokenIds)
        {
            WriteTokenIds(json, "token_ids", PromptOnly ? [] : completion.TokenIds);
            if (first || !streamed) WriteTokenIds(json, "prompt_token_ids", output.PromptTokenIds);
        }

        if (!streamed) _logprobs.WritePrompt(json, output.PromptLogprobs);
        json.WriteEndObject();
    }

    private IEnumerable<(int Id, PositionLogprobs? Logprobs)> Positions(int prompt, RequestOutput output, CompletionOutput completion, bool withPrompt)
    {
        if (withPrompt)
            for (var i = 0; i < output.PromptTokenIds.Count; i++) yield return (output.PromptTokenIds[i], _promptLogprobs[prompt]?[i]);
        if (PromptOnly) yield break;
        for (var i = 0; i < completion.TokenIds.Count; i++) yield return (completion.TokenIds[i], completion.Logprobs?[i]);
    }

    private int IndexOf(int prompt, CompletionOutput completion) => (prompt * request.Parameters.N) + completion.Index;

    private Usage Counted(Usage usage) => PromptOnly ? usage with { CompletionTokens = 0 } : usage;

    /// <summary>What has been written of a choice, the length of its text for the places of tokens in it.</summary>
    private readonly record struct Choice(bool Started, int Tokens, int Text);
}
