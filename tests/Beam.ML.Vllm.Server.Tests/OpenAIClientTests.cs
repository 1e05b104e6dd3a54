namespace Beam.ML.Vllm.Server.Tests;

/// <summary>The official client of OpenAI against the server.</summary>
public sealed class OpenAIClientTests
{
    [OneTimeSetUp]
    public Task Install() => OpenAIClient.RequireAsync();

    [Test]
    public async Task Lists_models()
    {
        await using var server = await StartAsync();
        Assert.That((await OpenAIClient.CallAsync(server, "models"))[0].GetString(), Is.EqualTo("tiny-gemma"));
        Assert.That((await OpenAIClient.CallAsync(server, "model")).GetString(), Is.EqualTo("tiny-gemma"));
    }

    [TestCase("completion")]
    [TestCase("completionStream")]
    [TestCase("chat")]
    [TestCase("chatStream")]
    [TestCase("chatRunner")]
    [TestCase("tools")]
    public async Task Reads_answers_whole_and_in_pieces(string name)
    {
        await using var server = await StartAsync();
        var answer = await OpenAIClient.CallAsync(server, name);
        Assert.That(answer.Text("text")!.Trim(), Is.EqualTo(TestServer.Answer.Trim()));
        if (answer.TryGetProperty("finish", out var finish)) Assert.That(finish.GetString(), Is.EqualTo("stop"));
        if (answer.TryGetProperty("role", out var role)) Assert.That(role.GetString(), Is.EqualTo("assistant"));
        if (answer.TryGetProperty("usage", out var usage)) Assert.That(usage.At("completion_tokens").GetInt32(), Is.GreaterThan(5));
    }

    [Test]
    public async Task Reads_log_probabilities_in_both_shapes()
    {
        await using var server = await StartAsync();
        var logprobs = await OpenAIClient.CallAsync(server, "logprobs");
        Assert.That(logprobs.At("completion", "tokens").GetArrayLength(), Is.EqualTo(4));
        Assert.That(logprobs.At("chat", "content", 0, "top_logprobs").GetArrayLength(), Is.EqualTo(2));
        Assert.That((await OpenAIClient.CallAsync(server, "several")).Ints(), Is.EqualTo(new[] { 0, 1, 2 }));
    }

    [Test]
    public async Task Reads_embeddings_as_floats_and_as_base64()
    {
        await using var server = await StartAsync();
        var embeddings = await OpenAIClient.CallAsync(server, "embeddings");
        Assert.That(embeddings.At("count").GetInt32(), Is.EqualTo(2));
        var floats = embeddings.At("float").EnumerateArray().Select(e => e.GetSingle()).ToArray();
        Assert.That(embeddings.At("base64").EnumerateArray().Select(e => e.GetSingle()), Is.EqualTo(floats));
    }

    [Test]
    public async Task Reads_calls_of_tools_and_answers_that_keep_to_a_schema()
    {
        await using var server = await StartAsync();
        Assert.That((await OpenAIClient.CallAsync(server, "jsonSchema")).TryGetProperty("ok", out _), Is.True);
        var call = await OpenAIClient.CallAsync(server, "namedTool");
        Assert.That(call.Text("name"), Is.EqualTo("capital"));
    }

    [Test]
    public async Task Reads_errors()
    {
        await using var server = await StartAsync();
        var error = await OpenAIClient.CallAsync(server, "error");
        Assert.That((error.Text("kind"), error.At("status").GetInt32(), error.Text("param")), Is.EqualTo(("NotFoundError", 404, "model")));
        Assert.That(error.Text("message"), Does.Contain("does not exist"));
    }

    [Test]
    public async Task Ends_a_request_by_leaving_its_stream()
    {
        await using var server = await StartAsync();
        await OpenAIClient.CallAsync(server, "abort");
        await server.UntilIdleAsync();
        Assert.That(server.Engine.Stats.GenerationTokens, Is.LessThan(32_000));
    }

    private static Task<TestServer> StartAsync() => TestServer.StartAsync(new ServerOptions { ApiKeys = ["secret"], ToolCallParser = "hermes", TrustRequestChatTemplate = true });
}
