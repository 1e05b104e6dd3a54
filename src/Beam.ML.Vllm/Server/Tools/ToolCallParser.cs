using System.Text;
using System.Text.Json;

namespace Beam.ML.Vllm.Server.Tools;

/// <summary>A call of a tool that the model wrote.</summary>
/// <param name="Name">The function.</param>
/// <param name="Arguments">Its arguments: a JSON object as text.</param>
internal sealed record ToolCall(string Name, string Arguments)
{
    public string Id { get; } = $"chatcmpl-tool-{Guid.NewGuid():N}";
}

/// <summary>What a piece of a model's text comes to.</summary>
/// <param name="Content">Text for the reader.</param>
/// <param name="Calls">Calls that were completed in it, or one that has begun.</param>
/// <param name="MoreArguments">What the arguments of the last call go on with.</param>
internal readonly record struct ParsedText(string Content, IReadOnlyList<ToolCall> Calls, string MoreArguments = "");

/// <summary>Finds calls of tools in one answer as it grows. What only might be a call is held back until it is known.</summary>
internal abstract class ToolCallParser
{
    private const int MaxDepth = 64;

    /// <summary>The parsers, by the names that vLLM gives them.</summary>
    public static IReadOnlyList<string> Names { get; } = ["hermes", "llama3_json"];

    /// <summary>A parser for one answer.</summary>
    public static ToolCallParser Create(string name) => name switch
    {
        "hermes" => new HermesToolCallParser(),
        "llama3_json" => new LlamaToolCallParser(),
        _ => throw new ArgumentException($"There is no tool call parser '{name}'; there are {string.Join(", ", Names)}."),
    };

    /// <summary>Takes the next piece of the text.</summary>
    /// <param name="text">What is new.</param>
    /// <param name="ends">Nothing follows: whatever was held back comes out.</param>
    public abstract ParsedText Append(string text, bool ends);

    /// <summary>Reads calls written as <c>{"name": …, "arguments": {…}}</c> one after the other; null if that is not what the text is.</summary>
    protected static List<ToolCall>? ReadCalls(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        var calls = new List<ToolCall>();
        try
        {
            for (var at = 0; (at = SkipSeparators(utf8, at)) < utf8.Length;)
            {
                var reader = new Utf8JsonReader(utf8.AsSpan(at), new JsonReaderOptions { MaxDepth = MaxDepth, AllowMultipleValues = true });
                using var document = JsonDocument.ParseValue(ref reader);
                foreach (var element in document.RootElement.ValueKind == JsonValueKind.Array ? [.. document.RootElement.EnumerateArray()] : new[] { document.RootElement })
                {
                    if (ReadCall(element) is not { } call) return null;
                    calls.Add(call);
                }

                at += (int)reader.BytesConsumed;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // It is no JSON, or half of a surrogate pair is in what is read of it.
            return null;
        }

        return calls.Count == 0 ? null : calls;
    }

    private static int SkipSeparators(byte[] text, int at)
    {
        while (at < text.Length && text[at] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t' or (byte)';') at++;
        return at;
    }

    private static ToolCall? ReadCall(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("name"u8, out var name) || name.ValueKind != JsonValueKind.String) return null;
        if (!json.TryGetProperty("arguments"u8, out var arguments) && !json.TryGetProperty("parameters"u8, out arguments)) return new ToolCall(name.GetString()!, "{}");
        // Some models write the arguments as a string that holds the object.
        return new ToolCall(name.GetString()!, arguments.ValueKind == JsonValueKind.String ? arguments.GetString()! : arguments.GetRawText());
    }
}
