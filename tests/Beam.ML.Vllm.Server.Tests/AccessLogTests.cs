using System.Collections.Concurrent;
using System.Net;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Hosting;
using Microsoft.Extensions.Logging;

namespace Beam.ML.Vllm.Server.Tests;

public sealed class AccessLogTests
{
    [Test]
    public async Task Each_request_has_a_line_and_a_field_without_effect_is_told_once()
    {
        using var lines = new Lines();
        using var loggers = LoggerFactory.Create(logging => logging.AddProvider(lines));
        await using (var server = await TestServer.StartAsync(new ServerOptions { LoggerFactory = loggers }))
        {
            var body = new { prompt = TestServer.Question, max_tokens = 3, max_token = 2, stop = (string?)null, ignore_eos = true };
            await server.PostAsync("/v1/completions", body);
            await server.PostAsync("/v1/completions", body);
            await server.StreamAsync("/v1/chat/completions", new { messages = new[] { new { role = "user", content = "a" } }, max_tokens = 2, temperature = 0, ignore_eos = true, stream = true });
            await server.GetAsync("/health");
            await server.GetAsync("/a%0Ab", HttpStatusCode.NotFound);
        }

        Assert.That(lines.All, Has.Count.EqualTo(4));
        Assert.That(lines.All.Single(l => l.Contains("max_token", StringComparison.Ordinal)), Does.Match(@"^127\.0\.0\.1 POST /v1/completions 200 in \d+\.\d{3} s, \d+ prompt \+ 3 output tokens; without effect here: max_token$"));
        Assert.That(lines.All, Has.One.Matches("POST /v1/completions 200 in .*3 output tokens$"));
        Assert.That(lines.All, Has.One.Matches("POST /v1/chat/completions 200 in .*2 output tokens$"));
        Assert.That(lines.All, Has.One.Matches("GET /a%0Ab 404 in [0-9.]+ s$"));
    }

    [Test]
    public async Task What_the_engine_does_has_a_line_and_what_it_does_not_has_none()
    {
        using var lines = new Lines("LogStats");
        using var loggers = LoggerFactory.Create(logging => logging.AddProvider(lines));
        var log = new StatsLog(loggers.CreateLogger("stats"));
        var busy = new EngineStats { PromptTokens = 25, GenerationTokens = 100, RunningRequests = 2, WaitingRequests = 1, KvCacheUsage = 0.125, PrefixCacheQueries = 40, PrefixCacheHits = 10 };
        log.Write(new EngineStats(), TimeSpan.FromSeconds(10));
        log.Write(busy, TimeSpan.FromSeconds(10));
        log.Write(busy with { RunningRequests = 0, WaitingRequests = 0, KvCacheUsage = 0 }, TimeSpan.FromSeconds(10));
        Assert.That(lines.All, Is.EqualTo(new[]
        {
            "Avg prompt throughput: 2.5 tokens/s, Avg generation throughput: 10.0 tokens/s, Running: 2 reqs, Waiting: 1 reqs, KV cache usage: 12.5%, Prefix cache hit rate: 25.0%",
        }));

        await using var server = await TestServer.StartAsync(new ServerOptions { LoggerFactory = loggers, StatsLogInterval = TimeSpan.FromMilliseconds(5) });
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (lines.All.Count < 2 && !patience.IsCancellationRequested) await server.PostAsync("/v1/completions", new { prompt = TestServer.Question, max_tokens = 8 });
        Assert.That(lines.All, Has.Count.GreaterThan(1));
    }

    [Test]
    public async Task An_error_names_the_field_as_the_request_does()
    {
        await using var server = await TestServer.StartAsync();
        var messages = new[] { new { role = "user", content = "a" } };
        Assert.That((await server.ErrorAsync("/v1/chat/completions", new { messages, logprobs = true, top_logprobs = 25 })).Text("param"), Is.EqualTo("top_logprobs"));
        Assert.That((await server.ErrorAsync("/v1/chat/completions", new { messages, min_tokens = 1020 })).Text("param"), Is.EqualTo("min_tokens"));
        var lengthy = new[] { new { role = "user", content = string.Join(' ', Enumerable.Repeat("Mexico", 2000)) } };
        Assert.That((await server.ErrorAsync("/v1/chat/completions", new { messages = lengthy })).Text("param"), Is.EqualTo("messages"));
        Assert.That((await server.ErrorAsync("/v1/embeddings", new { input = new[] { 99_999_999 } })).Text("param"), Is.EqualTo("input"));
    }

    private sealed class Lines(string name = "LogRequest") : ILoggerProvider, ILogger
    {
        private readonly ConcurrentQueue<string> _all = new();

        public IReadOnlyCollection<string> All => _all;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Name == name) _all.Enqueue(formatter(state, exception));
        }

        public void Dispose()
        {
        }
    }
}
