using System.Net;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Engine;

namespace Beam.ML.Vllm.Server.Tests;

/// <summary>A server of its own for a test, over the small model that knows capitals, on a free port.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    public const string Question = "What is the capital of France?";
    public const string Answer = " The capital of France is Paris.";

    private TestServer(LlmEngine engine, OpenAIServer server)
    {
        (Engine, Server) = (engine, server);
        // A response that is left half read closes its connection.
        Client = new HttpClient(new SocketsHttpHandler { MaxResponseDrainSize = 0 }) { BaseAddress = server.Address ?? new Uri("http://localhost"), Timeout = TimeSpan.FromMinutes(2) };
    }

    public static string TinyGemma { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), "..", "..", "models", "tiny-gemma", "checkpoint"));

    public LlmEngine Engine { get; }

    public OpenAIServer Server { get; }

    public HttpClient Client { get; }

    public static async Task<TestServer> StartAsync(ServerOptions? options = null, EngineOptions? engineOptions = null)
    {
        var engine = await LlmEngine.LoadAsync(engineOptions ?? new EngineOptions { Model = TinyGemma, ServedModelName = "tiny-gemma", NumThreads = 1, NumKvBlocks = 512 });
        return new TestServer(engine, await OpenAIServer.StartAsync(engine, (options ?? new ServerOptions()) with { Port = 0 }));
    }

    /// <summary>Posts JSON, which must be answered with the status, and returns the answer.</summary>
    public async Task<JsonElement> PostAsync(string path, object body, HttpStatusCode status = HttpStatusCode.OK)
    {
        using var response = await Client.PostAsJsonAsync(path, body);
        return await ReadAsync(response, status);
    }

    public async Task<JsonElement> GetAsync(string path, HttpStatusCode status = HttpStatusCode.OK)
    {
        using var response = await Client.GetAsync(path);
        return await ReadAsync(response, status);
    }

    /// <summary>The error of an answer that must be one, with what every error has checked.</summary>
    public async Task<JsonElement> ErrorAsync(string path, object body, HttpStatusCode status = HttpStatusCode.BadRequest)
    {
        var error = (await PostAsync(path, body, status)).GetProperty("error");
        Assert.That(error.GetProperty("code").GetInt32(), Is.EqualTo((int)status));
        Assert.That(error.GetProperty("type").GetString(), Does.EndWith("Error"));
        return error;
    }

    /// <summary>The events of a stream, without the [DONE] that must end it.</summary>
    public async Task<List<JsonElement>> StreamAsync(string path, object body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        using var response = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (response.StatusCode != HttpStatusCode.OK) Assert.Fail(await response.Content.ReadAsStringAsync());
        Assert.That(response.Content.Headers.ContentType!.MediaType, Is.EqualTo("text/event-stream"));
        var text = await response.Content.ReadAsStringAsync();
        var events = text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.That(events, Is.All.StartsWith("data: "));
        Assert.That(events[^1], Is.EqualTo("data: [DONE]"));
        return [.. events[..^1].Select(e => Parse(e["data: ".Length..]))];
    }

    /// <summary>Waits until the engine has nothing to do.</summary>
    public async Task UntilIdleAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (Engine.Stats is not { RunningRequests: 0, WaitingRequests: 0 }) await Task.Delay(10, patience.Token);
    }

    public static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
        await Engine.DisposeAsync();
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage response, HttpStatusCode status)
    {
        var text = await response.Content.ReadAsStringAsync();
        Assert.That(response.StatusCode, Is.EqualTo(status), text);
        return text.Length == 0 ? default : Parse(text);
    }

    private static string ThisFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}

internal static class JsonReading
{
    public static JsonElement At(this JsonElement json, params object[] path)
    {
        foreach (var step in path) json = step is int index ? json[index] : json.GetProperty((string)step);
        return json;
    }

    public static string? Text(this JsonElement json, params object[] path) => json.At(path).GetString();

    public static int[] Ints(this JsonElement json) => [.. json.EnumerateArray().Select(e => e.GetInt32())];

    public static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");
}
