using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Chat.Jinja;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>Makes a prompt of a request's messages, with the model's chat template or another.</summary>
internal sealed class ChatRenderer
{
    // A body's own nesting, and within it that of arguments which came as text.
    private const int MaxDepth = 2 * 64;

    private static readonly string[] ReasoningEfforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

    private readonly LlmEngine _engine;
    private readonly ChatTemplate? _template;
    private readonly Dictionary<string, string> _specialTokens;
    private readonly IReadOnlyDictionary<string, JsonElement> _variables;
    private readonly bool _trustsRequests, _excludesTools;

    /// <exception cref="ChatTemplateException">The template cannot be read.</exception>
    public ChatRenderer(LlmEngine engine, ServerOptions options)
    {
        (_engine, _trustsRequests, _excludesTools) = (engine, options.TrustRequestChatTemplate, options.ExcludeToolsWhenToolChoiceNone);
        _variables = options.DefaultChatTemplateKwargs;
        if (engine.Tokenizer is null)
        {
            _specialTokens = [];
            return;
        }

        _specialTokens = TokenizerConfig.Load(engine.ModelFolderPath).Roles;
        _template = options.ChatTemplate is { } given && !File.Exists(given) && given.Contains('{', StringComparison.Ordinal)
            ? ChatTemplate.Parse(given, _specialTokens)
            : ChatTemplate.Load(engine.ModelFolderPath, options.ChatTemplate);
    }

    /// <exception cref="ApiException">The messages are not what they must be, or the template refuses them.</exception>
    public EncodedPrompt Render(JsonFields fields, PromptEncoder prompts, CancellationToken cancellationToken)
    {
        if (_engine.Tokenizer is null) throw ApiException.Invalid("The engine has no tokenizer (--skip-tokenizer-init), so it cannot chat.", "messages");
        if (fields.Array("messages") is not { } given || given.GetArrayLength() == 0) throw ApiException.Invalid("messages must be given and cannot be empty.", "messages");
        var continues = fields.Bool("continue_final_message");
        // Who asks for a message to be continued need not say that none is to be begun.
        var begins = fields.Bool("add_generation_prompt", otherwise: !continues);
        if (continues && begins) throw ApiException.Invalid("continue_final_message and add_generation_prompt cannot both be true.", "continue_final_message");

        var template = TemplateOf(fields);
        using var messages = Normalize(given, continues, out var last);
        var limits = JinjaLimits.For(_engine.MaxModelLength, JsonMarshal.GetRawUtf8Value(fields.Json).Length, cancellationToken);
        var text = template.Render(messages.RootElement, begins, ToolsOf(fields), fields.Array("documents"), VariablesOf(fields), limits);
        if (continues) text = FinalMessage.Leave(text, last);
        return prompts.Encode(text, fields.Bool("add_special_tokens"));
    }

    private ChatTemplate TemplateOf(JsonFields fields)
    {
        if ((fields.Object("chat_template_kwargs")?.String("chat_template") ?? fields.String("chat_template")) is not { } own)
        {
            return _template ?? throw ApiException.Invalid(
                "The model has no chat template; give one to the server (--chat-template), or use /v1/completions.", "messages");
        }

        return _trustsRequests ? ChatTemplate.Parse(own, _specialTokens) : throw ApiException.Invalid(
            "The request brings a chat template of its own, which this server does not trust: it is not started with --trust-request-chat-template.", "chat_template");
    }

    /// <summary>Tools as the template gets them: as in vLLM, also those that the model may not call, for earlier messages may have calls of them.</summary>
    private JsonElement? ToolsOf(JsonFields fields) =>
        _excludesTools && fields.Get("tool_choice") is { ValueKind: JsonValueKind.String } choice && choice.ValueEquals("none"u8) ? null : fields.Array("tools");

    /// <summary>Further variables of the template: the request's, and the server's where it has none of the name.</summary>
    private Dictionary<string, JsonElement> VariablesOf(JsonFields fields)
    {
        var variables = OwnVariablesOf(fields);
        foreach (var (name, value) in _variables) variables.TryAdd(name, value);
        return variables;
    }

    /// <summary>Those of the request. What it says by fields of its own comes before what it says here.</summary>
    private static Dictionary<string, JsonElement> OwnVariablesOf(JsonFields fields)
    {
        var variables = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (fields.Object("chat_template_kwargs") is { } given)
        {
            foreach (var property in given.Json.EnumerateObject())
            {
                if (property.Name is "messages" or "conversation" or "tools" or "tokenize")
                    throw ApiException.Invalid($"chat_template_kwargs cannot have {property.Name}: the messages and tools are those of the request.", $"chat_template_kwargs.{property.Name}");
                variables[property.Name] = property.Value;
            }
        }

        if (fields.String("reasoning_effort") is not { } effort) return variables;
        if (!ReasoningEfforts.Contains(effort))
            throw ApiException.Invalid($"reasoning_effort must be one of {string.Join(", ", ReasoningEfforts)}, got '{effort}'.", "reasoning_effort");
        variables["reasoning_effort"] = fields.Get("reasoning_effort")!.Value;
        // Some templates think only where they are told to.
        variables.TryAdd("enable_thinking", JsonSerializer.SerializeToElement(effort != "none"));
        return variables;
    }

    /// <summary>Messages as templates expect them: contents in parts become one text, the arguments of tool calls become objects.</summary>
    /// <param name="messages">The messages of the request.</param>
    /// <param name="continues">The last message is left open: its content gets a tag.</param>
    /// <param name="last">The content of the last message, without the tag.</param>
    private static JsonDocument Normalize(JsonElement messages, bool continues, out string last)
    {
        last = "";
        var count = messages.GetArrayLength();
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            var index = 0;
            foreach (var message in messages.EnumerateArray()) last = WriteMessage(json, message, $"messages[{index++}]", continues && index == count ? FinalMessage.Tag : "");
            json.WriteEndArray();
        }

        return JsonDocument.Parse(buffer.WrittenMemory, new JsonDocumentOptions { MaxDepth = MaxDepth });
    }

    /// <summary>Writes a message, with something added to its content, and returns the content.</summary>
    private static string WriteMessage(Utf8JsonWriter json, JsonElement message, string path, string tag)
    {
        if (message.ValueKind != JsonValueKind.Object) throw ApiException.Invalid($"{path} must be an object with role and content.", path);
        var fields = new JsonFields(message, path + ".");
        if (fields.String("role") is not { Length: > 0 }) throw ApiException.Invalid($"{path}.role must be given.", $"{path}.role");
        json.WriteStartObject();
        foreach (var property in message.EnumerateObject())
        {
            if (property.NameEquals("content"u8) || (property.NameEquals("tool_calls"u8) && property.Value.ValueKind != JsonValueKind.Array)) continue;
            json.WritePropertyName(property.Name);
            if (property.NameEquals("tool_calls"u8)) WriteToolCalls(json, property.Value);
            else property.Value.WriteTo(json);
        }

        if (tag.Length > 0 && !fields.Has("content")) throw ApiException.Invalid($"{path} has no content that could be continued.", $"{path}.content");
        var content = ContentOf(fields, path);
        json.WriteString("content"u8, content + tag);
        json.WriteEndObject();
        return content;
    }

    private static string ContentOf(JsonFields message, string path)
    {
        switch (message.Get("content"))
        {
            case null:
                return "";
            case { ValueKind: JsonValueKind.String } text:
                return JsonFields.AsString(text, $"{path}.content");
            case { ValueKind: JsonValueKind.Array } parts:
                return string.Join('\n', parts.EnumerateArray().Select((part, i) => TextOf(part, $"{path}.content[{i}]")));
            case { } other:
                throw message.Wrong("content", "a string or a list of parts", other);
        }
    }

    private static string TextOf(JsonElement part, string path)
    {
        if (part.ValueKind == JsonValueKind.String) return JsonFields.AsString(part, path);
        if (part.ValueKind != JsonValueKind.Object) throw ApiException.Invalid($"{path} must be a text or an object with a type.", path);
        var fields = new JsonFields(part, path + ".");
        return fields.String("type") switch
        {
            null or "text" or "input_text" or "output_text" when fields.String("text") is { } text => text,
            "refusal" when fields.String("refusal") is { } refusal => refusal,
            null or "text" or "input_text" or "output_text" or "refusal" => throw ApiException.Invalid($"{path}.text must be given.", path),
            var type => throw ApiException.Invalid($"{path} is of type {type}; this server reads text only.", path),
        };
    }

    private static void WriteToolCalls(Utf8JsonWriter json, JsonElement calls)
    {
        json.WriteStartArray();
        foreach (var call in calls.EnumerateArray())
        {
            if (call.ValueKind != JsonValueKind.Object || !call.TryGetProperty("function"u8, out var function) || function.ValueKind != JsonValueKind.Object)
            {
                call.WriteTo(json);
                continue;
            }

            json.WriteStartObject();
            foreach (var property in call.EnumerateObject())
            {
                if (!property.NameEquals("function"u8))
                {
                    property.WriteTo(json);
                    continue;
                }

                json.WriteStartObject("function"u8);
                foreach (var field in function.EnumerateObject())
                {
                    json.WritePropertyName(field.Name);
                    if (field.NameEquals("arguments"u8) && field.Value.ValueKind == JsonValueKind.String) WriteArguments(json, field.Value);
                    else field.Value.WriteTo(json);
                }

                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteArguments(Utf8JsonWriter json, JsonElement text)
    {
        byte[] written;
        try
        {
            using var arguments = JsonDocument.Parse(JsonFields.AsString(text, "arguments") is { Length: > 0 } given ? given : "{}");
            written = JsonSerializer.SerializeToUtf8Bytes(arguments.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // What a model once wrote is not always JSON, or has half of a surrogate pair.
            text.WriteTo(json);
            return;
        }

        json.WriteRawValue(written, skipInputValidation: true);
    }
}
