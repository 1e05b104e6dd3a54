using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Beam.ML.Vllm.Engine;

namespace Beam.ML.Vllm;

/// <summary>Asks an OpenAI-compatible server, patiently: so many requests at a time, and again when it is overloaded or gone for a moment.</summary>
internal sealed class OpenAIClient(IServerSource server, VllmServerOptions options) : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _room = new(options.MaxConcurrentRequests, options.MaxConcurrentRequests);

    /// <summary>Posts a request and reads its answer.</summary>
    /// <exception cref="InvalidRequestException">The server refuses the request.</exception>
    /// <exception cref="RequestFailedException">It did not answer, however often it was asked.</exception>
    /// <exception cref="EngineDeadException">It is gone for good.</exception>
    public Task<JsonDocument> PostAsync(string path, byte[] body, CancellationToken cancellationToken) => AskAsync(() =>
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return request;
    }, cancellationToken);

    /// <inheritdoc cref="PostAsync"/>
    public Task<JsonDocument> GetAsync(string path, CancellationToken cancellationToken) => AskAsync(() => new HttpRequestMessage(HttpMethod.Get, path), cancellationToken);

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private async Task<JsonDocument> AskAsync(Func<HttpRequestMessage> make, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken);
        try
        {
            for (var attempt = 0; ; attempt++)
            {
                var (answer, trouble, pause) = await TryAsync(make, cancellationToken);
                if (answer is not null) return answer;
                if (attempt >= options.MaxRetries) throw new RequestFailedException($"The server did not answer in {attempt + 1} attempts: {trouble}");
                await Task.Delay(pause ?? Pause(attempt), cancellationToken);
            }
        }
        finally
        {
            _room.Release();
        }
    }

    private async Task<(JsonDocument? Answer, string Trouble, TimeSpan? Pause)> TryAsync(Func<HttpRequestMessage> make, CancellationToken cancellationToken)
    {
        var client = await server.GetAsync(cancellationToken);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(options.RequestTimeout);
        try
        {
            using var request = make();
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
            if (response.IsSuccessStatusCode)
            {
                var answer = await ReadAsync(response, timeout.Token);
                server.Succeeded();
                return (answer, "", null);
            }

            var message = await MessageAsync(response, timeout.Token);
            return response.StatusCode switch
            {
                HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError => (null, message, RetryAfter(response)),
                HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => throw new RequestFailedException($"The server refuses the API key: {message}"),
                _ => throw new InvalidRequestException(message),
            };
        }
        catch (Exception e) when (e is HttpRequestException or IOException or ObjectDisposedException)
        {
            return (null, e.Message, null);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (null, $"it took longer than {options.RequestTimeout}.", null);
        }
    }

    private static async Task<JsonDocument> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        // Buffering is what bounds the size.
        await response.Content.LoadIntoBufferAsync(cancellationToken);
        try
        {
            return await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync(cancellationToken), cancellationToken: cancellationToken);
        }
        catch (JsonException e)
        {
            throw new RequestFailedException($"The server's answer is not JSON: {e.Message}", e);
        }
    }

    /// <summary>What an error says: OpenAI's object, or the text as it is.</summary>
    private static async Task<string> MessageAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        try
        {
            using var document = JsonDocument.Parse(text);
            var error = document.RootElement;
            if (error.ValueKind == JsonValueKind.Object && error.TryGetProperty("error", out var inner)) error = inner;
            if (error.ValueKind == JsonValueKind.Object && error.TryGetProperty("message", out var message) && message.ValueKind == JsonValueKind.String) return message.GetString()!;
        }
        catch (JsonException)
        {
            // Then a proxy has answered.
        }

        return $"{(int)response.StatusCode} {response.ReasonPhrase}{(text.Length == 0 ? "" : $": {(text.Length > 200 ? text[..200] + "…" : text)}")}";
    }

    private static TimeSpan? RetryAfter(HttpResponseMessage response) =>
        response.Headers.RetryAfter?.Delta is { } delta && delta >= TimeSpan.Zero ? delta < LongestPause ? delta : LongestPause : null;

    /// <summary>Twice as long each time, spread so that those who were turned away together do not come back together.</summary>
    private static TimeSpan Pause(int attempt)
    {
        var pause = FirstPause * Math.Pow(2, Math.Min(attempt, 10));
        return (pause < LongestPause ? pause : LongestPause) * (0.5 + (Random.Shared.NextDouble() / 2));
    }
}
