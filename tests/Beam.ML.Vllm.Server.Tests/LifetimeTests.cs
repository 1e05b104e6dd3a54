using System.Net;
using System.Net.Http.Json;

namespace Beam.ML.Vllm.Server.Tests;

public sealed class LifetimeTests
{
    // Long enough not to end before the test does something about it.
    private static readonly object Long = new { prompt = Enumerable.Repeat(TestServer.Question, 32), max_tokens = 1000, ignore_eos = true, stream = true };

    [Test]
    public async Task A_client_that_leaves_a_stream_ends_its_request()
    {
        await using var server = await TestServer.StartAsync();
        for (var i = 0; i < 3; i++)
        {
            using (await BeginAsync(server))
            {
            }

            await server.UntilIdleAsync();
        }

        Assert.That(server.Engine.Stats.GenerationTokens, Is.LessThan(3 * 32_000));
        Assert.That((await server.GetAsync("/load")).At("server_load").GetInt32(), Is.Zero);
    }

    [Test]
    public async Task A_client_that_leaves_before_its_answer_ends_its_request()
    {
        await using var server = await TestServer.StartAsync();
        using var leave = new CancellationTokenSource();
        var answer = server.Client.PostAsJsonAsync("/v1/completions", new { prompt = Enumerable.Repeat(TestServer.Question, 32), max_tokens = 1000, ignore_eos = true }, leave.Token);
        while (server.Engine.Stats.GenerationTokens == 0) await Task.Delay(5);
        await leave.CancelAsync();
        Assert.That(() => answer, Throws.InstanceOf<OperationCanceledException>());
        await server.UntilIdleAsync();
        Assert.That(server.Engine.Stats.GenerationTokens, Is.LessThan(32_000));
    }

    [Test]
    public async Task More_sequences_than_the_server_takes_are_turned_away_until_there_is_room()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxConcurrentSequences = 32 });
        using (await BeginAsync(server))
        {
            using var refused = await server.Client.PostAsJsonAsync("/v1/completions", new { prompt = "a" });
            Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
            Assert.That(refused.Headers.RetryAfter!.Delta, Is.EqualTo(TimeSpan.FromSeconds(1)));
        }

        while ((await server.GetAsync("/load")).At("server_load").GetInt32() > 0) await Task.Delay(5);
        await server.PostAsync("/v1/completions", new { prompt = "a", max_tokens = 1 });
    }

    [Test]
    public async Task A_request_counts_as_many_times_as_it_has_completions()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxConcurrentSequences = 35 });
        using (await BeginAsync(server))
        {
            var full = await server.ErrorAsync("/v1/completions", new { prompt = "a", n = 4, temperature = 1 }, HttpStatusCode.ServiceUnavailable);
            Assert.That(full.Text("message"), Does.Contain("32 of 35 sequences").And.Contain("no 4 more"));
            Assert.That((await server.PostAsync("/v1/completions", new { prompt = "a", n = 3, max_tokens = 1, temperature = 1 })).At("choices").GetArrayLength(), Is.EqualTo(3));
        }

        foreach (var body in new object[] { new { prompt = "a", n = 36 }, new { prompt = "a", n = 1, best_of = 36 }, new { prompt = new[] { "a", "b", "c" }, n = 12 } })
            Assert.That((await server.ErrorAsync("/v1/completions", body)).Text("message"), Does.Contain("and the server works on 35 at a time"));
    }

    [Test]
    public async Task A_server_that_stops_lets_requests_end_and_takes_no_more()
    {
        await using var server = await TestServer.StartAsync();
        var address = server.Server.Address!;
        using var response = await BeginAsync(server, new { prompt = TestServer.Question, max_tokens = 200, ignore_eos = true, stream = true });
        var stop = server.Server.StopAsync();
        var text = await response.Content.ReadAsStringAsync();
        await stop;
        Assert.That(text, Does.EndWith("data: [DONE]\n\n").And.Contain("\"finish_reason\":\"length\""));
        using var late = new HttpClient();
        Assert.That(() => late.GetAsync(new Uri(address, "/health")), Throws.InstanceOf<HttpRequestException>());
    }

    [Test]
    public async Task A_server_without_patience_aborts_what_still_runs()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { ShutdownGrace = TimeSpan.Zero });
        using var response = await BeginAsync(server);
        await server.Server.StopAsync();
        var events = (await response.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.That(events[^1], Is.EqualTo("data: [DONE]"));
        Assert.That(TestServer.Parse(events[^2]["data: ".Length..]).At("error", "code").GetInt32(), Is.EqualTo(503));
        await server.UntilIdleAsync();
    }

    [Test]
    public async Task A_server_that_waits_for_ever_for_its_requests_stops_when_they_end()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { ShutdownGrace = Timeout.InfiniteTimeSpan });
        using var response = await BeginAsync(server, new { prompt = TestServer.Question, max_tokens = 100, ignore_eos = true, stream = true });
        var stop = server.Server.StopAsync();
        Assert.That(await response.Content.ReadAsStringAsync(), Does.EndWith("data: [DONE]\n\n").And.Contain("\"finish_reason\":\"length\""));
        await stop;
    }

    [TestCase(60)]
    [TestCase(-1)]
    public void A_grace_that_no_timer_has_is_refused(int days) =>
        Assert.That(() => new ServerOptions { ShutdownGrace = TimeSpan.FromDays(days) }.Validate(), Throws.ArgumentException.With.Message.Contains("grace"));

    [Test]
    public async Task Who_waits_for_a_whole_answer_is_told_that_the_server_stops()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { ShutdownGrace = TimeSpan.Zero });
        var answer = server.Client.PostAsJsonAsync("/v1/completions", new { prompt = TestServer.Question, max_tokens = 1000, ignore_eos = true });
        while (server.Engine.Stats.GenerationTokens == 0) await Task.Delay(5);
        Assert.That(server.Server.ActiveRequests, Is.EqualTo(1));
        await server.Server.StopAsync();
        using var response = await answer;
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That(server.Server.ActiveRequests, Is.Zero);
    }

    [Test]
    public async Task An_engine_that_dies_ends_a_stream_with_an_error()
    {
        await using var server = await TestServer.StartAsync();
        using var response = await BeginAsync(server);
        await server.Engine.DisposeAsync();
        var events = (await response.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.That(events[^1], Is.EqualTo("data: [DONE]"));
        Assert.That(TestServer.Parse(events[^2]["data: ".Length..]).At("error", "code").GetInt32(), Is.EqualTo(503));
    }

    private static async Task<HttpResponseMessage> BeginAsync(TestServer server, object? body = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = JsonContent.Create(body ?? Long) };
        return await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }
}
