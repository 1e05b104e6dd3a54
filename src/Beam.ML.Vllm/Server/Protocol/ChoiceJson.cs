using System.Text.Json;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>What completions and chat write alike.</summary>
internal static class ChoiceJson
{
    /// <summary>The names that every piece of a stream repeats.</summary>
    public static class Names
    {
        public static readonly JsonEncodedText Id = JsonEncodedText.Encode("id");
        public static readonly JsonEncodedText Object = JsonEncodedText.Encode("object");
        public static readonly JsonEncodedText Created = JsonEncodedText.Encode("created");
        public static readonly JsonEncodedText Model = JsonEncodedText.Encode("model");
        public static readonly JsonEncodedText Choices = JsonEncodedText.Encode("choices");
        public static readonly JsonEncodedText Index = JsonEncodedText.Encode("index");
        public static readonly JsonEncodedText Text = JsonEncodedText.Encode("text");
        public static readonly JsonEncodedText Delta = JsonEncodedText.Encode("delta");
        public static readonly JsonEncodedText Content = JsonEncodedText.Encode("content");
        public static readonly JsonEncodedText Logprob = JsonEncodedText.Encode("logprob");
        public static readonly JsonEncodedText Logprobs = JsonEncodedText.Encode("logprobs");
        public static readonly JsonEncodedText FinishReason = JsonEncodedText.Encode("finish_reason");
        public static readonly JsonEncodedText StopReason = JsonEncodedText.Encode("stop_reason");
    }

    public static void WriteFinish(Utf8JsonWriter json, string? finishReason, object? stopReason)
    {
        json.WriteString(Names.FinishReason, finishReason);
        if (stopReason is int id) json.WriteNumber(Names.StopReason, id);
        else json.WriteString(Names.StopReason, stopReason?.ToString());
    }

    public static void WriteTokenIds(Utf8JsonWriter json, string name, IReadOnlyList<int> ids)
    {
        json.WriteStartArray(name);
        for (var i = 0; i < ids.Count; i++) json.WriteNumberValue(ids[i]);
        json.WriteEndArray();
    }

    public static void WriteUsage(Utf8JsonWriter json, Usage usage, bool details)
    {
        json.WriteStartObject("usage"u8);
        json.WriteNumber("prompt_tokens"u8, usage.PromptTokens);
        json.WriteNumber("total_tokens"u8, usage.PromptTokens + usage.CompletionTokens);
        json.WriteNumber("completion_tokens"u8, usage.CompletionTokens);
        if (details)
        {
            json.WriteStartObject("prompt_tokens_details"u8);
            json.WriteNumber("cached_tokens"u8, usage.CachedTokens);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}

/// <summary>What a request has cost.</summary>
internal record struct Usage(int PromptTokens, int CompletionTokens, int CachedTokens);
