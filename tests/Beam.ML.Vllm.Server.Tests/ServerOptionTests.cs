using System.Net.Http.Json;
using System.Text.Json;
using Beam.ML.Vllm.Engine;

namespace Beam.ML.Vllm.Server.Tests;

/// <summary>Options of vLLM's server that change what all answers are like.</summary>
public sealed class ServerOptionTests
{
    private static readonly object Whole = new { prompt = TestServer.Question, max_tokens = 8, temperature = 0, ignore_eos = true };

    [Test]
    public async Task Answers_carry_the_requests_id_or_one_of_their_own_where_they_are_to()
    {
        await using var silent = await TestServer.StartAsync();
        await using var server = await TestServer.StartAsync(new ServerOptions { EnableRequestIdHeaders = true });
        Assert.That(await IdAsync(silent, "mine"), Is.Null);
        Assert.That(await IdAsync(server, "mine"), Is.EqualTo("mine"));
        var made = await IdAsync(server, null);
        Assert.That(made, Has.Length.EqualTo(32));
        Assert.That(await IdAsync(server, null), Is.Not.EqualTo(made));
        Assert.That(await IdAsync(server, "two words"), Has.Length.EqualTo(32), "it could not be carried back as it is");

        static async Task<string?> IdAsync(TestServer server, string? id)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/nothing");
            if (id is not null) request.Headers.Add("X-Request-Id", id);
            using var response = await server.Client.SendAsync(request);
            return response.Headers.TryGetValues("X-Request-Id", out var values) ? values.Single() : null;
        }
    }

    [Test]
    public async Task Usage_may_be_told_in_all_streams_asked_for_or_not()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { EnableForceIncludeUsage = true });
        var events = await server.StreamAsync("/v1/completions", new { prompt = TestServer.Question, max_tokens = 4, temperature = 0, ignore_eos = true, stream = true });
        Assert.That(events.Select(e => e.At("usage", "completion_tokens").GetInt32()).ToArray(), Is.Ordered.And.Length.GreaterThan(1));
        Assert.That(events[^1].At("choices").GetArrayLength(), Is.Zero);
        events = await server.StreamAsync("/v1/chat/completions", new { messages = new[] { new { role = "user", content = "Hi" } }, max_tokens = 4, stream = true, stream_options = new { include_usage = false } });
        Assert.That(events[^1].At("usage", "completion_tokens").GetInt32(), Is.Positive);
    }

    [Test]
    public async Task Variables_of_the_chat_template_have_defaults_that_a_request_may_change()
    {
        var kwargs = new Dictionary<string, JsonElement> { ["mood"] = TestServer.Parse("\"calm\""), ["size"] = TestServer.Parse("7") };
        await using var server = await TestServer.StartAsync(new ServerOptions { ChatTemplate = "{{ mood }} {{ size }}", DefaultChatTemplateKwargs = kwargs });
        Assert.That(await PromptAsync(null), Is.EqualTo("calm 7"));
        Assert.That(await PromptAsync(new { mood = "gay" }), Is.EqualTo("gay 7"));

        async Task<string> PromptAsync(object? own)
        {
            var answer = await server.PostAsync("/tokenize", new { messages = new[] { new { role = "user", content = "Hi" } }, chat_template_kwargs = own });
            return server.Engine.Tokenizer!.Decode(answer.At("tokens").Ints());
        }
    }

    [Test]
    public async Task Streams_come_in_pieces_of_the_servers_interval_or_of_a_longer_one_that_a_request_has()
    {
        await using var server = await TestServer.StartAsync(engineOptions: new EngineOptions { Model = TestServer.TinyGemma, NumThreads = 1, NumKvBlocks = 512, StreamInterval = 4 });
        Assert.That(await SizesAsync(null), Is.All.GreaterThanOrEqualTo(4));
        Assert.That(await SizesAsync(1), Is.All.GreaterThanOrEqualTo(4));
        Assert.That(await SizesAsync(8), Is.All.GreaterThanOrEqualTo(8));

        // The first and the last piece come at once.
        async Task<int[]> SizesAsync(int? interval)
        {
            var events = await server.StreamAsync(
                "/v1/completions", new { prompt = TestServer.Question, max_tokens = 20, temperature = 0, ignore_eos = true, stream = true, stream_interval = interval, return_token_ids = true });
            int[] sizes = [.. events.Select(e => e.At("choices", 0, "token_ids").GetArrayLength())];
            Assert.That(sizes.Sum(), Is.EqualTo(20));
            return sizes[1..^1];
        }
    }

    [Test]
    public async Task What_overrides_the_generation_config_is_the_default_and_its_tokens_are_the_most_that_a_request_gets()
    {
        await using var server = await TestServer.StartAsync(engineOptions: new EngineOptions
        {
            Model = TestServer.TinyGemma, NumThreads = 1, NumKvBlocks = 512, GenerationConfig = "vllm",
            OverrideGenerationConfig = new GenerationOverrides { Temperature = 0, MaxNewTokens = 3 },
        });
        Assert.That((server.Engine.DefaultSamplingParams.Temperature, server.Engine.DefaultSamplingParams.TopP), Is.EqualTo((0, 1)));
        Assert.That((await server.PostAsync("/v1/completions", Whole)).At("usage", "completion_tokens").GetInt32(), Is.EqualTo(3));
        var chat = await server.PostAsync("/v1/chat/completions", new { messages = new[] { new { role = "user", content = "Hi" } }, ignore_eos = true });
        Assert.That(chat.At("usage", "completion_tokens").GetInt32(), Is.EqualTo(3));
    }

    [TestCase("user", "5")]
    [TestCase("length_penalty", "\"x\"")]
    [TestCase("vllm_xargs", "[]")]
    [TestCase("kv_transfer_params", "true")]
    [TestCase("guided_decoding_backend", "1")]
    [TestCase("cache_salt", "7")]
    [TestCase("cache_salt", "\"\"")]
    [TestCase("thinking_token_budget", "\"x\"")]
    [TestCase("thinking_token_budget", "100")]
    [TestCase("extra_args", "{\"a\": 1}")]
    public async Task A_wrong_value_of_a_field_without_effect_is_refused_by_its_name(string name, string value)
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.PostAsync("/v1/completions", JsonReading.Json($$"""{"prompt": "a", "max_tokens": 1, "{{name}}": {{value}}}"""));
        var error = TestServer.Parse(await response.Content.ReadAsStringAsync()).GetProperty("error");
        Assert.That(((int)response.StatusCode, error.Text("param")), Is.EqualTo((400, name)), error.Text("message"));
    }

    [TestCase("user", "\"me\"")]
    [TestCase("length_penalty", "0.5")]
    [TestCase("vllm_xargs", "{\"a\": 1}")]
    [TestCase("thinking_token_budget", "-1")]
    [TestCase("guided_whitespace_pattern", "\" \"")]
    [TestCase("cache_salt", "\"mine\"")]
    public async Task A_right_one_changes_nothing(string name, string value)
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.PostAsync("/v1/completions", JsonReading.Json($$"""{"prompt": "a", "max_tokens": 1, "{{name}}": {{value}}}"""));
        Assert.That((int)response.StatusCode, Is.EqualTo(200), await response.Content.ReadAsStringAsync());
    }

    [Test]
    public async Task What_is_salted_is_found_in_the_cache_with_the_same_salt_alone()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { EnablePromptTokensDetails = true });
        foreach (var (salt, cached) in new[] { ("a", 0), ("b", 0), ("a", 32), (null, 0), (null, 32), ("b", 32) })
        {
            var answer = await server.PostAsync("/v1/completions", new { prompt = Enumerable.Range(10, 40), max_tokens = 1, cache_salt = salt });
            var found = answer.At("usage").TryGetProperty("prompt_tokens_details", out var details) && details.ValueKind == JsonValueKind.Object ? details.GetProperty("cached_tokens").GetInt32() : 0;
            Assert.That(found, Is.EqualTo(cached), salt);
        }
    }
}
