using System.Text.Json;
using Beam.ML.Inference;
using Beam.ML.Vllm.Engine;

namespace Beam.ML.Vllm;

/// <summary>A model behind an OpenAI-compatible server.</summary>
internal sealed class ServerModel : VllmModel
{
    /// <summary>What the handler itself puts into a request.</summary>
    public static readonly string[] OwnFields = ["prompt", "messages", "stream", "stream_options", "n"];

    private readonly OpenAIClient _client;

    private ServerModel(OpenAIClient client, string name, int? maxModelLength) => (_client, Name, MaxModelLength) = (client, name, maxModelLength);

    public override string Name { get; }

    public override int? MaxModelLength { get; }

    // A server tells nothing until it has answered, and how long that may take has a limit of its own.
    internal override long? Progress => null;

    /// <summary>Waits for the server, and makes sure that it has the model.</summary>
    /// <exception cref="Inference.ModelLoadException">It has not, or it cannot be started.</exception>
    public static async Task<ServerModel> LoadAsync(string model, VllmServerOptions options, Action<string> onLine, CancellationToken cancellationToken)
    {
        var client = new OpenAIClient(options.Url is { } url ? new RemoteServer(url, options) : new VllmServerProcess(model, options, onLine), options);
        try
        {
            var name = options.ServedModelName ?? (options.Arguments.FirstOrDefault(a => Arguments.EngineArguments.Normalize(a.Key) == "served_model_name").Value is { } served
                ? new Arguments.ArgumentValue("served_model_name", served).List[0]
                : model);
            using var models = await client.GetAsync("models", cancellationToken);
            var cards = models.RootElement.GetProperty("data").EnumerateArray().ToArray();
            var card = cards.FirstOrDefault(c => c.GetProperty("id").GetString() == name);
            // Some servers list one name of a model that has several.
            if (card.ValueKind == JsonValueKind.Undefined && options.Url is null && cards.Length == 1)
            {
                card = cards[0];
                name = card.GetProperty("id").GetString()!;
            }

            if (card.ValueKind == JsonValueKind.Undefined)
                throw new Inference.ModelLoadException($"The server at {options.Url} has no model '{name}'; it has {string.Join(", ", cards.Select(c => c.GetProperty("id").GetString()))}.");
            return new ServerModel(client, name, card.TryGetProperty("max_model_len", out var length) && length.TryGetInt32(out var tokens) ? tokens : null);
        }
        catch (Exception e)
        {
            await client.DisposeAsync();
            if (e is EngineDeadException or InvalidRequestException) throw new Inference.ModelLoadException(e.Message, e);
            if (e is KeyNotFoundException or InvalidOperationException) throw new Inference.ModelLoadException($"The server's list of models is not OpenAI's: {e.Message}", e);
            throw;
        }
    }

    internal override async Task<Completion> CompleteAsync(ModelRequest request, InferenceArgs args, CancellationToken cancellationToken)
    {
        var isChat = request.Messages is not null;
        using var answer = await _client.PostAsync(isChat ? "chat/completions" : "completions", BodyOf(request, args), cancellationToken);
        try
        {
            return Read(answer.RootElement, isChat);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException or FormatException)
        {
            throw new RequestFailedException($"The server's answer is not OpenAI's: {e.Message}", e);
        }
    }

    public override ValueTask DisposeAsync() => _client.DisposeAsync();

    private byte[] BodyOf(ModelRequest request, InferenceArgs args)
    {
        var body = args.ToDictionary(arg => arg.Key, arg => arg.Value);
        body["model"] = request.Own?.Model ?? body.GetValueOrDefault("model") ?? Name;
        if (request.Messages is { } messages) body["messages"] = messages.Select(m => new Dictionary<string, string> { ["role"] = m.Role, ["content"] = m.Content });
        else body["prompt"] = request.Prompt;
        if (request.Own is { } own)
        {
            Set("max_tokens", own.MaxTokens);
            Set("min_tokens", own.MinTokens);
            Set("temperature", own.Temperature);
            Set("top_p", own.TopP);
            Set("top_k", own.TopK);
            Set("seed", own.Seed);
            Set("stop", own.Stop);
            Set("ignore_eos", own.IgnoreEos);
            Set("priority", own.Priority == 0 ? null : own.Priority);
        }

        return JsonSerializer.SerializeToUtf8Bytes(body);

        void Set(string name, object? value)
        {
            if (value is not null) body[name] = value;
        }
    }

    private static Completion Read(JsonElement answer, bool isChat)
    {
        var choice = answer.GetProperty("choices")[0];
        var text = isChat ? choice.GetProperty("message").GetProperty("content") : choice.GetProperty("text");
        var usage = answer.TryGetProperty("usage", out var given) && given.ValueKind == JsonValueKind.Object ? given : default;
        return new Completion(
            text.GetString() ?? "",
            Text(choice, "finish_reason") ?? "stop",
            Text(choice, "stop_reason"),
            Count(usage, "prompt_tokens"),
            Count(usage, "completion_tokens"),
            usage.ValueKind == JsonValueKind.Object && usage.TryGetProperty("prompt_tokens_details", out var details) ? Count(details, "cached_tokens") : 0,
            TimeSpan.Zero,
            TimeSpan.Zero,
            0,
            choice.TryGetProperty("token_ids", out var ids) && ids.ValueKind == JsonValueKind.Array ? [.. ids.EnumerateArray().Select(id => id.GetInt32())] : []);
    }

    private static string? Text(JsonElement json, string name) =>
        !json.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null ? null : value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText();

    private static int Count(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt32() : 0;
}
