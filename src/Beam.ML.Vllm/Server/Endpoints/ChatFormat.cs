using System.Text.Json;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Generation;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Beam.ML.Vllm.Server.Tools;
using static Beam.ML.Vllm.Server.Protocol.ChoiceJson;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>Writes <c>chat.completion</c> objects, and <c>chat.completion.chunk</c> ones in streams.</summary>
internal sealed class ChatFormat(GenerationRequest request, ServerContext server) : IAnswerFormat
{
    private readonly ServerOptions _options = server.Options;
    private readonly LogprobsJson _logprobs = new(server, request.TokensAsIds);
    private readonly Choice[] _choices = [.. Enumerable.Range(0, request.Choices).Select(_ => new Choice())];
    private bool _begun;

    /// <summary>Who answers.</summary>
    public required string Role { get; init; }

    /// <summary>What the answer's text begins with.</summary>
    public string Prefix { get; init; } = "";

    public required ToolChoice Tools { get; init; }

    public bool WithLogprobs { get; init; }

    public bool ReturnTokenIds { get; init; }

    public void Write(Utf8JsonWriter json, IReadOnlyList<RequestOutput> outputs, Usage usage)
    {
        json.WriteStartObject();
        WriteHead(json, "chat.completion"u8);
        json.WriteStartArray(Names.Choices);
        foreach (var output in outputs[0].Outputs) WriteChoice(json, output);
        json.WriteEndArray();
        ChoiceJson.WriteUsage(json, usage, _options.EnablePromptTokensDetails);
        _logprobs.WritePrompt(json, outputs[0].PromptLogprobs);
        if (ReturnTokenIds) WriteTokenIds(json, "prompt_token_ids", outputs[0].PromptTokenIds);
        json.WriteEndObject();
    }

    public void WriteEvents(EventStream stream, int prompt, RequestOutput output)
    {
        if (!_begun)
        {
            for (var i = 0; i < _choices.Length; i++) WriteFirstEvent(stream, output, i);
            _begun = true;
        }

        foreach (var completion in output.Outputs)
        {
            var choice = _choices[completion.Index];
            choice.Tokens += completion.TokenIds.Count;
            var parsed = choice.Parse(this, completion);
            if (parsed is { Content: "", Calls.Count: 0, MoreArguments: "" } && completion.FinishReason is null && !ReturnTokenIds && !WithLogprobs) continue;

            var json = stream.Begin();
            json.WriteStartObject();
            WriteHead(json, "chat.completion.chunk"u8);
            json.WriteStartArray(Names.Choices);
            json.WriteStartObject();
            json.WriteNumber(Names.Index, completion.Index);
            json.WriteStartObject(Names.Delta);
            if (parsed.Content.Length > 0 || parsed is { Calls.Count: 0, MoreArguments: "" }) json.WriteString(Names.Content, parsed.Content);
            if (parsed.Calls.Count > 0) WriteCalls(json, parsed.Calls, choice.Calls - parsed.Calls.Count);
            else if (parsed.MoreArguments.Length > 0) WriteMoreArguments(json, choice.Calls - 1, parsed.MoreArguments);
            json.WriteEndObject();
            WriteLogprobs(json, completion);
            WriteFinish(json, FinishReasonOf(completion, choice), completion.StopReason);
            if (ReturnTokenIds) WriteTokenIds(json, "token_ids", completion.TokenIds);
            json.WriteEndObject();
            json.WriteEndArray();
            WriteContinuousUsage(json, output, choice);
            json.WriteEndObject();
            stream.End();
        }
    }

    public void WriteUsage(Utf8JsonWriter json, Usage usage)
    {
        json.WriteStartObject();
        WriteHead(json, "chat.completion.chunk"u8);
        json.WriteStartArray(Names.Choices);
        json.WriteEndArray();
        ChoiceJson.WriteUsage(json, usage, _options.EnablePromptTokensDetails);
        json.WriteEndObject();
    }

    private void WriteFirstEvent(EventStream stream, RequestOutput output, int index)
    {
        var json = stream.Begin();
        json.WriteStartObject();
        WriteHead(json, "chat.completion.chunk"u8);
        json.WriteStartArray(Names.Choices);
        json.WriteStartObject();
        json.WriteNumber(Names.Index, index);
        json.WriteStartObject(Names.Delta);
        json.WriteString("role"u8, Role);
        json.WriteString(Names.Content, Prefix);
        json.WriteEndObject();
        json.WriteNull(Names.Logprobs);
        json.WriteNull(Names.FinishReason);
        json.WriteEndObject();
        json.WriteEndArray();
        if (ReturnTokenIds && index == 0) WriteTokenIds(json, "prompt_token_ids", output.PromptTokenIds);
        WriteContinuousUsage(json, output, _choices[index]);
        json.WriteEndObject();
        stream.End();
    }

    private void WriteChoice(Utf8JsonWriter json, CompletionOutput completion)
    {
        var choice = _choices[completion.Index];
        var parsed = choice.Parse(this, completion);
        json.WriteStartObject();
        json.WriteNumber(Names.Index, completion.Index);
        json.WriteStartObject("message"u8);
        json.WriteString("role"u8, Role);
        if (parsed.Calls.Count > 0 && parsed.Content.Length == 0) json.WriteNull(Names.Content);
        else json.WriteString(Names.Content, Prefix + parsed.Content);
        json.WriteNull("refusal"u8);
        if (parsed.Calls.Count > 0) WriteCalls(json, parsed.Calls, firstIndex: null);
        json.WriteEndObject();
        WriteLogprobs(json, completion);
        WriteFinish(json, FinishReasonOf(completion, choice), completion.StopReason);
        if (ReturnTokenIds) WriteTokenIds(json, "token_ids", completion.TokenIds);
        json.WriteEndObject();
    }

    private void WriteHead(Utf8JsonWriter json, ReadOnlySpan<byte> kind)
    {
        json.WriteString(Names.Id, request.Id);
        json.WriteString(Names.Object, kind);
        json.WriteNumber(Names.Created, request.Created);
        json.WriteString(Names.Model, request.Model);
    }

    private void WriteContinuousUsage(Utf8JsonWriter json, RequestOutput output, Choice choice)
    {
        if (request.Stream.ContinuousUsage)
            ChoiceJson.WriteUsage(json, new Usage(output.Metrics.PromptTokens, choice.Tokens, output.Metrics.CachedTokens), _options.EnablePromptTokensDetails);
    }

    private void WriteLogprobs(Utf8JsonWriter json, CompletionOutput completion)
    {
        json.WritePropertyName(Names.Logprobs);
        if (WithLogprobs) _logprobs.WriteChat(json, completion.Logprobs ?? []);
        else json.WriteNullValue();
    }

    /// <summary>In a stream a call has an index, by which clients put its pieces together.</summary>
    private static void WriteCalls(Utf8JsonWriter json, IReadOnlyList<ToolCall> calls, int? firstIndex)
    {
        json.WriteStartArray("tool_calls"u8);
        for (var i = 0; i < calls.Count; i++)
        {
            json.WriteStartObject();
            if (firstIndex is { } first) json.WriteNumber(Names.Index, first + i);
            json.WriteString(Names.Id, calls[i].Id);
            json.WriteString("type"u8, "function"u8);
            json.WriteStartObject("function"u8);
            json.WriteString("name"u8, calls[i].Name);
            json.WriteString("arguments"u8, calls[i].Arguments);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteMoreArguments(Utf8JsonWriter json, int index, string arguments)
    {
        json.WriteStartArray("tool_calls"u8);
        json.WriteStartObject();
        json.WriteNumber(Names.Index, index);
        json.WriteStartObject("function"u8);
        json.WriteString("arguments"u8, arguments);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private string? FinishReasonOf(CompletionOutput completion, Choice choice) =>
        completion.FinishReason == "stop" && choice.Calls > 0 && !Tools.IsNamed ? "tool_calls" : completion.FinishReason;

    /// <summary>What has been written of a choice.</summary>
    private sealed class Choice
    {
        private ToolCallParser? _parser;

        public int Tokens { get; set; }

        public int Calls { get; private set; }

        public ParsedText Parse(ChatFormat format, CompletionOutput completion)
        {
            if (format.Tools.NewParser is null) return new ParsedText(completion.Text, []);
            _parser ??= format.Tools.NewParser();
            var parsed = _parser.Append(completion.Text, completion.FinishReason is not null);
            Calls += parsed.Calls.Count;
            return parsed;
        }
    }
}
