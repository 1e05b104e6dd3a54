using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Beam.ML.Vllm.Server.Tests;

public sealed class ErrorTests
{
    [TestCase("""{}""", "prompt", "prompt")]
    [TestCase("""{"prompt": []}""", "prompt", "prompt")]
    [TestCase("""{"prompt": 17}""", "prompt", "a string, a list of token ids")]
    [TestCase("""{"prompt": [1, "a"]}""", "prompt[1]", "a token id")]
    [TestCase("""{"prompt": [1, -1]}""", "prompt[1]", "a token id")]
    [TestCase("""{"prompt": "a", "logprobs": 25}""", "logprobs", "max allowed")]
    [TestCase("""{"prompt": [99999999]}""", "prompt", "out of vocabulary")]
    [TestCase("""{"prompt": "a", "temperature": 3}""", "temperature", "[0, 2], got 3")]
    [TestCase("""{"prompt": "a", "temperature": "hot"}""", "temperature", "hot")]
    [TestCase("""{"prompt": "a", "top_p": 0}""", "top_p", "(0, 1]")]
    [TestCase("""{"prompt": "a", "max_tokens": 0}""", "max_tokens", "at least 1")]
    [TestCase("""{"prompt": "a", "max_tokens": 4.5}""", "max_tokens", "whole number")]
    [TestCase("""{"prompt": "a", "max_tokens": 2000}""", "max_tokens", "maximum context length is 1024")]
    [TestCase("""{"prompt": "a", "return_tokens_as_token_ids": "x"}""", "return_tokens_as_token_ids", "true or false")]
    [TestCase("""{"prompt": [[]]}""", "prompt", "empty")]
    [TestCase("""{"prompt": "a", "stream": "yes"}""", "stream", "true or false")]
    [TestCase("""{"prompt": "a", "stream_options": {}}""", "stream_options", "stream=true")]
    [TestCase("""{"prompt": "a", "suffix": "b"}""", "suffix", "not supported")]
    [TestCase("""{"prompt": "a", "priority": 5}""", "priority", "--scheduling-policy priority")]
    [TestCase("""{"prompt": "a", "truncate_prompt_tokens": -5}""", "truncate_prompt_tokens", "-5")]
    [TestCase("""{"prompt": "a", "use_beam_search": true, "stream": true}""", "stream", "use_beam_search")]
    [TestCase("""{"prompt": "a", "use_beam_search": true, "n": 129}""", "n", "at most 128, got 129")]
    [TestCase("""{"prompt": "a", "use_beam_search": true, "temperature": 3}""", "temperature", "[0, 2]")]
    [TestCase("""{"prompt": "a", "use_beam_search": true, "length_penalty": "long"}""", "length_penalty", "a number")]
    [TestCase("""{"prompt": "a", "use_beam_search": true, "stop": "b"}""", "stop", "use_beam_search")]
    [TestCase("""{"prompt": "a", "use_beam_search": true, "guided_regex": "b"}""", "use_beam_search", "constraint")]
    [TestCase("""{"prompt": "a", "use_beam_search": 1}""", "use_beam_search", "true or false")]
    [TestCase("""{"prompt": "a", "logit_bias": {"x": 1}}""", "logit_bias", "logit_bias")]
    [TestCase("""{"prompt": "a", "request_id": ""}""", "request_id", "request_id")]
    [TestCase("""[1]""", null, "JSON object")]
    [TestCase("""{"prompt": """, null, "not valid JSON")]
    public async Task A_wrong_request_is_refused_by_its_field(string body, string? parameter, string message)
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.PostAsync("/v1/completions", JsonReading.Json(body));
        var error = TestServer.Parse(await response.Content.ReadAsStringAsync()).At("error");
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(error.Text("message"), Does.Contain(message));
        Assert.That(error.Text("param"), Is.EqualTo(parameter));
        Assert.That((error.Text("type"), error.At("code").GetInt32()), Is.EqualTo(("BadRequestError", 400)));
    }

    [Test]
    public async Task Unknown_models_paths_and_methods_are_told_apart()
    {
        await using var server = await TestServer.StartAsync();
        var model = await server.ErrorAsync("/v1/completions", new { model = "other", prompt = "a" }, HttpStatusCode.NotFound);
        Assert.That((model.Text("param"), model.Text("message")), Is.EqualTo(("model", "The model `other` does not exist; there is tiny-gemma.")));
        Assert.That((await server.GetAsync("/v1/nothing", HttpStatusCode.NotFound)).Text("error", "message"), Does.Contain("/v1/nothing"));
        Assert.That((await server.PostAsync("/v1/responses", new { input = "a" }, HttpStatusCode.NotFound)).Text("error", "message"), Does.Contain("/v1/chat/completions"));
        using var get = await server.Client.GetAsync("/v1/completions");
        Assert.That(get.StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed));
        Assert.That(get.Content.Headers.Allow, Is.EqualTo(new[] { "POST" }));
    }

    [Test]
    public async Task A_body_that_is_no_JSON_text_is_refused()
    {
        await using var server = await TestServer.StartAsync();
        Assert.That(await StatusAsync(Encoding.Latin1.GetBytes("{\"prompt\": \"\xff\"}"), "application/json"), Is.EqualTo((400, "UTF-8")));
        Assert.That(await StatusAsync(Encoding.UTF8.GetBytes("{\"prompt\": \"a\"}"), "text/plain"), Is.EqualTo((415, "JSON")));
        var deep = Encoding.UTF8.GetBytes("{\"prompt\": " + new string('[', 100_000));
        Assert.That(await StatusAsync(deep, "application/json"), Is.EqualTo((400, "depth")));

        async Task<(int Status, string Word)> StatusAsync(byte[] body, string type)
        {
            using var content = new ByteArrayContent(body);
            content.Headers.ContentType = new MediaTypeHeaderValue(type);
            using var response = await server.Client.PostAsync("/v1/completions", content);
            var message = TestServer.Parse(await response.Content.ReadAsStringAsync()).Text("error", "message")!;
            return ((int)response.StatusCode, new[] { "UTF-8", "JSON; ", "depth" }.First(message.Contains).TrimEnd(' ', ';'));
        }
    }

    [TestCase("/v1/completions", """{"prompt": "a", "\ud800": 1}""")]
    [TestCase("/v1/completions", """{"prompt": "\\\ud800\ud800"}""")]
    [TestCase("/v1/completions", """{"prompt": "\udc00"}""")]
    [TestCase("/v1/completions", """{"prompt": "\ud800\u0041"}""")]
    [TestCase("/v1/chat/completions", """{"messages": [{"role": "user", "content": "\ud800"}]}""")]
    [TestCase("/v1/chat/completions", """{"messages": [{"role": "user", "content": "x", "name": "\ud800"}]}""")]
    [TestCase("/v1/chat/completions", """{"messages": [{"role": "user", "content": "x", "\ud800": 1}]}""")]
    [TestCase("/v1/chat/completions", """{"messages": [{"role": "user", "content": "x"}], "tool_choice": "required", "tools": [{"type": "function", "function": {"name": "\ud800"}}]}""")]
    [TestCase("/v1/completions", """{"prompt": "a", "guided_json": {"properties": {"\ud800": {}}}}""")]
    [TestCase("/tokenize", """{"prompt": "a", "\udfff": ""}""")]
    public async Task Half_a_surrogate_pair_is_refused_wherever_it_is(string path, string body)
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.PostAsync(path, JsonReading.Json(body));
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(TestServer.Parse(await response.Content.ReadAsStringAsync()).Text("error", "message"), Does.Contain(@"half a surrogate pair, \u"));
    }

    [Test]
    public async Task Whole_surrogate_pairs_and_escapes_that_look_like_halves_are_text()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var (text, expected) in new[] { (@"\ud83d\ude00", "\U0001F600"), (@"\\ud800", @"\ud800"), (@"\u0041\n", "A\n") })
        {
            using var response = await server.Client.PostAsync("/tokenize", JsonReading.Json($"{{\"prompt\": \"{text}\", \"add_special_tokens\": false}}"));
            var tokens = TestServer.Parse(await response.Content.ReadAsStringAsync()).At("tokens").Ints();
            Assert.That(server.Engine.Tokenizer!.Decode(tokens), Is.EqualTo(expected));
        }
    }

    [Test]
    public async Task Bodies_and_prompts_that_are_too_long_are_refused_before_they_cost_anything()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxRequestBodySize = 1 << 20 });
        using var large = await server.Client.PostAsync("/v1/completions", JsonReading.Json($"{{\"prompt\": \"{new string('a', 2 << 20)}\"}}"));
        Assert.That(large.StatusCode, Is.EqualTo(HttpStatusCode.RequestEntityTooLarge));
        Assert.That(TestServer.Parse(await large.Content.ReadAsStringAsync()).At("error", "code").GetInt32(), Is.EqualTo(413));
        Assert.That((await server.ErrorAsync("/v1/completions", new { prompt = new string('a', 900_000) })).Text("message"), Does.Contain("maximum context length is 1024 tokens"));
        var words = string.Join(' ', Enumerable.Repeat("Mexico", 2000));
        Assert.That((await server.ErrorAsync("/v1/completions", new { prompt = words })).Text("message"), Does.StartWith("This model's maximum context length is 1024 tokens."));
        Assert.That((await server.ErrorAsync("/v1/completions", new { prompt = Enumerable.Repeat("a", 1025) })).Text("message"), Does.Contain("1025 entries"));
    }

    [Test]
    public async Task One_wrong_prompt_among_several_fails_the_request_and_leaves_nothing_running()
    {
        await using var server = await TestServer.StartAsync();
        Assert.That((await server.ErrorAsync("/v1/completions", new { prompt = new object[] { TestServer.Question, Array.Empty<int>() }, stream = true })).Text("message"), Is.EqualTo("The prompt cannot be empty."));
        await server.UntilIdleAsync();
    }

    [Test]
    public async Task A_dead_engine_is_unavailable()
    {
        await using var server = await TestServer.StartAsync();
        Assert.That((await server.Client.GetAsync("/health")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        await server.Engine.DisposeAsync();
        Assert.That((await server.Client.GetAsync("/health")).StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        await server.ErrorAsync("/v1/completions", new { prompt = "a" }, HttpStatusCode.ServiceUnavailable);
    }
}
