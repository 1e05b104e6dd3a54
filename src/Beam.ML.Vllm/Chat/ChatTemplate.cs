using System.Text.Json;
using Beam.ML.Vllm.Chat.Jinja;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Chat;

/// <summary>
/// Writes a conversation as the text that a model was trained on, by the Jinja template of its checkpoint. Immutable: any number of
/// threads may render at a time. A template is untrusted: it cannot reach anything but its variables, and its work, its texts and its lists are
/// bounded: the worst takes a few seconds and some hundred megabytes, and then is an error.
/// </summary>
public sealed class ChatTemplate
{
    private const int MaxTemplateLength = 1 << 20;
    private const int MaxFileLength = 64 << 20;

    private readonly JinjaTemplate _template;
    private readonly JinjaTemplate? _toolTemplate;
    private readonly IReadOnlyDictionary<string, string> _specialTokens;

    private ChatTemplate(JinjaTemplate template, JinjaTemplate? toolTemplate, IReadOnlyDictionary<string, string> specialTokens) =>
        (_template, _toolTemplate, _specialTokens) = (template, toolTemplate, specialTokens);

    /// <summary>Parses a template.</summary>
    /// <param name="source">The Jinja source.</param>
    /// <param name="specialTokens">Variables for special tokens, such as <c>bos_token</c> and <c>eos_token</c>.</param>
    /// <exception cref="ChatTemplateException">The source is malformed.</exception>
    public static ChatTemplate Parse(string source, IReadOnlyDictionary<string, string>? specialTokens = null) =>
        new(ParseSource(source, "The chat template"), null, specialTokens ?? new Dictionary<string, string>());

    /// <summary>
    /// Loads a checkpoint's template: the file <paramref name="templatePath"/> if given, else <c>chat_template.jinja</c>,
    /// <c>chat_template.json</c> or the <c>chat_template</c> of <c>tokenizer_config.json</c> (where a list has one for tools, it is used for them).
    /// </summary>
    /// <returns>The template, or null if the checkpoint has none.</returns>
    /// <exception cref="ChatTemplateException">The template is malformed or the given file cannot be read.</exception>
    public static ChatTemplate? Load(string folder, string? templatePath = null)
    {
        Dictionary<string, string> tokens;
        try
        {
            tokens = TokenizerConfig.Load(folder).Roles;
        }
        catch (TokenizerException e)
        {
            throw new ChatTemplateException(e.Message, e);
        }
        var jinja = Path.Combine(folder, "chat_template.jinja");
        if (templatePath is not null || File.Exists(jinja))
        {
            var path = templatePath ?? jinja;
            return new(ParseSource(ReadText(path), $"'{path}'"), null, tokens);
        }
        foreach (var name in (string[])["chat_template.json", "tokenizer_config.json"])
            if (FromJson(Path.Combine(folder, name), tokens) is { } template) return template;
        return null;
    }

    /// <summary>Writes a conversation.</summary>
    /// <param name="messages">The messages in order.</param>
    /// <param name="addGenerationPrompt">End with the start of the assistant's answer.</param>
    /// <exception cref="ChatTemplateException">The template refuses the conversation, or fails on it.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt = true) =>
        Render(JsonSerializer.SerializeToElement(messages.Select(m => new Dictionary<string, string> { ["role"] = m.Role, ["content"] = m.Content })), addGenerationPrompt);

    /// <summary>Writes a conversation given as JSON: messages with any fields, tools, documents, and further variables of the template.</summary>
    /// <param name="messages">A list of objects.</param>
    /// <param name="addGenerationPrompt">End with the start of the assistant's answer.</param>
    /// <param name="tools">The functions that the model may call, as JSON schemas.</param>
    /// <param name="documents">Documents to answer from.</param>
    /// <param name="variables">Further variables (vLLM's <c>chat_template_kwargs</c>); those above come before them.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <exception cref="ChatTemplateException">The template refuses the conversation, or fails on it.</exception>
    /// <exception cref="OperationCanceledException">The token was canceled.</exception>
    public string Render(
        JsonElement messages, bool addGenerationPrompt = true, JsonElement? tools = null, JsonElement? documents = null,
        IReadOnlyDictionary<string, JsonElement>? variables = null, CancellationToken cancellationToken = default) =>
        Render(messages, addGenerationPrompt, tools, documents, variables, new JinjaLimits(cancellationToken));

    /// <summary>The same within limits.</summary>
    internal string Render(
        JsonElement messages, bool addGenerationPrompt, JsonElement? tools, JsonElement? documents, IReadOnlyDictionary<string, JsonElement>? variables, JinjaLimits limits)
    {
        try
        {
            var globals = new Dictionary<string, object>(StringComparer.Ordinal);
            foreach (var (name, token) in _specialTokens) globals[name] = token;
            globals["tools"] = globals["documents"] = JinjaNone.Value;
            foreach (var (name, value) in variables ?? new Dictionary<string, JsonElement>()) globals[name] = JinjaValues.FromJson(value, limits);
            globals["messages"] = JinjaValues.FromJson(messages, limits);
            if (tools is { } t) globals["tools"] = JinjaValues.FromJson(t, limits);
            if (documents is { } d) globals["documents"] = JinjaValues.FromJson(d, limits);
            globals["add_generation_prompt"] = addGenerationPrompt;
            var hasTools = globals["tools"] is List<object> { Count: > 0 };
            return (hasTools ? _toolTemplate ?? _template : _template).Render(globals, TimeProvider.System, limits);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidOperationException and not ObjectDisposedException)
        {
            // JSON with half of a surrogate pair, or what a function of .NET does not take and we did not foresee.
            throw new ChatTemplateException($"The conversation cannot be written by the chat template: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    private static ChatTemplate? FromJson(string path, Dictionary<string, string> tokens)
    {
        if (!File.Exists(path)) return null;
        try
        {
            using var document = JsonDocument.Parse(ReadText(path));
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("chat_template", out var value)) return null;
            if (value.ValueKind == JsonValueKind.String) return new(ParseSource(value.GetString()!, $"The chat template in '{path}'"), null, tokens);
            if (value.ValueKind != JsonValueKind.Array) return null;
            JinjaTemplate? first = null, main = null, forTools = null;
            foreach (var entry in value.EnumerateArray())
            {
                var name = entry.GetProperty("name").GetString();
                var template = ParseSource(entry.GetProperty("template").GetString()!, $"The chat template '{name}' in '{path}'");
                first ??= template;
                if (name == "default") main = template;
                if (name == "tool_use") forTools = template;
            }
            return first is null ? null : new(main ?? first, forTools, tokens);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new ChatTemplateException($"'{path}' has a chat template that cannot be read: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    private static string ReadText(string path)
    {
        try
        {
            if (new FileInfo(path).Length > MaxFileLength) throw new ChatTemplateException($"'{path}' is too large for a chat template.");
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChatTemplateException($"The chat template '{path}' cannot be read: {e.Message}", e);
        }
    }

    private static JinjaTemplate ParseSource(string source, string what)
    {
        if (source.Length > MaxTemplateLength) throw new ChatTemplateException($"{what} is longer than {MaxTemplateLength} characters.");
        try
        {
            return JinjaTemplate.Parse(source);
        }
        catch (ChatTemplateException e)
        {
            throw new ChatTemplateException($"{what} is malformed: {e.Message}", e);
        }
    }
}
