using System.Net;
using Beam.ML.Inference;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Beam.ML.Vllm.Server.Tests.Handlers;

/// <summary>Handlers that ask a server which someone else runs.</summary>
public sealed class RemoteServerTests
{
    private static readonly InferenceArgs Greedy = new() { ["max_tokens"] = 64, ["temperature"] = 0 };

    [Test]
    public async Task A_server_answers_as_the_engine_does()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { ApiKeys = ["secret"], EnablePromptTokensDetails = true });
        var options = VllmServerOptions.At(server.Server.Address!) with { ApiKey = "secret" };
        var handler = new VllmCompletionsModelHandler("tiny-gemma", options);
        await using var model = await handler.LoadModelAsync(default);
        Assert.That((model.Name, model.MaxModelLength), Is.EqualTo(("tiny-gemma", 1024)));
        var answer = await handler.RunInferenceAsync(TestServer.Question, model, new InferenceArgs { ["max_tokens"] = 64, ["temperature"] = 0, ["return_token_ids"] = true }, default);
        var own = await server.Engine.CompleteAsync(TestServer.Question, new() { MaxTokens = 64, Temperature = 0 });
        Assert.That(answer.Inference.Text, Is.EqualTo(TestServer.Answer));
        Assert.That(answer.Inference.TokenIds, Is.EqualTo(own.TokenIds));
        Assert.That((answer.Inference.FinishReason, answer.Inference.PromptTokens, answer.Inference.OutputTokens), Is.EqualTo(("stop", own.Metrics.PromptTokens, own.Metrics.OutputTokens)));

        var chat = new VllmChatModelHandler("tiny-gemma", options);
        IReadOnlyList<ChatMessage> question = [new("user", TestServer.Question)];
        Assert.That((await chat.RunInferenceAsync(question, model, Greedy, default)).Inference.Text.Trim(), Is.EqualTo(TestServer.Answer.Trim()));
        var requests = new VllmRequestsModelHandler("tiny-gemma", options);
        var stopped = (await requests.RunInferenceAsync(new CompletionRequest(TestServer.Question, Stop: [" France"]), model, Greedy, default)).Inference;
        Assert.That((stopped.Text, stopped.StopReason), Is.EqualTo((" The capital of", " France")));
    }

    [Test]
    public async Task A_refused_element_fails_alone_and_a_model_that_is_not_there_fails_the_load()
    {
        await using var server = await TestServer.StartAsync();
        var handler = new VllmCompletionsModelHandler("tiny-gemma", VllmServerOptions.At(server.Server.Address!));
        await using var model = await handler.LoadModelAsync(default);
        Assert.That(() => handler.RunInferenceAsync(string.Join(' ', Enumerable.Repeat("Mexico", 2000)), model, Greedy, default),
            Throws.TypeOf<InvalidRequestException>().With.Message.StartsWith("This model's maximum context length is 1024 tokens."));
        Assert.That((await handler.RunInferenceAsync(TestServer.Question, model, Greedy, default)).Inference.Text, Is.EqualTo(TestServer.Answer));
        Assert.That(() => new VllmCompletionsModelHandler("other", VllmServerOptions.At(server.Server.Address!)).LoadModelAsync(default),
            Throws.TypeOf<ModelLoadException>().With.Message.Contains("has no model 'other'; it has tiny-gemma"));
    }

    [Test]
    public async Task What_is_overloaded_or_broken_for_a_moment_is_asked_again_and_no_more_often_than_told()
    {
        var asked = 0;
        await using var server = await FakeServer.StartAsync(async http =>
        {
            switch (Interlocked.Increment(ref asked))
            {
                case 1:
                    http.Response.StatusCode = 429;
                    http.Response.Headers.RetryAfter = "0";
                    break;
                case 2:
                    http.Response.StatusCode = 503;
                    break;
                case 3:
                    http.Abort();
                    break;
                default:
                    await http.Response.WriteAsync("""{"choices": [{"text": "late", "finish_reason": "stop"}]}""");
                    break;
            }
        });
        var handler = new VllmCompletionsModelHandler("m", VllmServerOptions.At(server.Url) with { MaxRetries = 3 });
        await using var model = await handler.LoadModelAsync(default);
        Assert.That((await handler.RunInferenceAsync("a", model, Greedy, default)).Inference.Text, Is.EqualTo("late"));
        Assert.That(asked, Is.EqualTo(4));
        asked = 0;
        var impatient = new VllmCompletionsModelHandler("m", VllmServerOptions.At(server.Url) with { MaxRetries = 1 });
        await using var other = await impatient.LoadModelAsync(default);
        Assert.That(() => impatient.RunInferenceAsync("a", other, Greedy, default), Throws.TypeOf<RequestFailedException>().With.Message.Contains("2 attempts"));
    }

    [Test]
    public async Task No_more_requests_are_under_way_than_allowed()
    {
        var (now, most) = (0, 0);
        await using var server = await FakeServer.StartAsync(async http =>
        {
            var count = Interlocked.Increment(ref now);
            lock (http.RequestServices) most = Math.Max(most, count);
            await Task.Yield();
            Interlocked.Decrement(ref now);
            await http.Response.WriteAsync("""{"choices": [{"text": "x", "finish_reason": "stop"}]}""");
        });
        var handler = new VllmCompletionsModelHandler("m", VllmServerOptions.At(server.Url) with { MaxConcurrentRequests = 3 });
        await using var model = await handler.LoadModelAsync(default);
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => handler.RunInferenceAsync($"{i}", model, Greedy, default)));
        Assert.That(answers, Has.Length.EqualTo(50));
        Assert.That(most, Is.LessThanOrEqualTo(3));
    }

    [TestCase("[]")]
    [TestCase("{}")]
    [TestCase("{\"choices\": []}")]
    [TestCase("{\"choices\": [{\"text\": 17}]}")]
    [TestCase("<html>")]
    public async Task An_answer_that_is_none_fails_the_element_with_a_reason(string answer)
    {
        await using var server = await FakeServer.StartAsync(http => http.Response.WriteAsync(answer));
        var handler = new VllmCompletionsModelHandler("m", VllmServerOptions.At(server.Url));
        await using var model = await handler.LoadModelAsync(default);
        Assert.That(() => handler.RunInferenceAsync("a", model, Greedy, default), Throws.TypeOf<RequestFailedException>().With.Message.StartsWith("The server's answer is not"));
    }

    [Test]
    public void Wrong_options_and_arguments_are_told_when_the_pipeline_is_built()
    {
        Assert.That(() => VllmServerOptions.At("nowhere"), Throws.ArgumentException);
        Assert.That(() => new VllmCompletionsModelHandler("m", VllmServerOptions.At("ftp://host")), Throws.TypeOf<PipelineConstructionException>().With.Message.Contains("http://"));
        Assert.That(() => new VllmCompletionsModelHandler("m", VllmServerOptions.Start() with { Arguments = new Dictionary<string, object?> { ["--port"] = 1 } }),
            Throws.TypeOf<PipelineConstructionException>().With.Message.Contains("'--port'"));
        Assert.That(() => new VllmCompletionsModelHandler("m", new Dictionary<string, object?> { ["max-num-sqs"] = 1 }),
            Throws.TypeOf<PipelineConstructionException>().With.Message.Contains("Did you mean 'max_num_seqs'?"));
        Assert.That(new VllmCompletionsModelHandler("m", new Dictionary<string, object?> { ["max-num-seqs"] = "32" }).EngineOptions.MaxNumSequences, Is.EqualTo(32));
        Assert.That(() => new VllmCompletionsModelHandler("m", VllmServerOptions.Start()).ValidateInferenceArgs(new() { ["stream"] = true }), Throws.ArgumentException);
    }

    /// <summary>A server whose completions a test makes up.</summary>
    private sealed class FakeServer(WebApplication app) : IAsyncDisposable
    {
        public Uri Url => new(app.Urls.First());

        public static async Task<FakeServer> StartAsync(RequestDelegate complete)
        {
            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
            var app = builder.Build();
            app.Run(http => http.Request.Path == "/v1/models" ? http.Response.WriteAsync("""{"data": [{"id": "m"}]}""") : complete(http));
            await app.StartAsync();
            return new FakeServer(app);
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();
    }
}
