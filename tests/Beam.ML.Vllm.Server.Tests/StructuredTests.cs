using System.Text.Json;

namespace Beam.ML.Vllm.Server.Tests;

public sealed class StructuredTests
{
    private const string Chat = "/v1/chat/completions";

    private static readonly object[] Question = [new { role = "user", content = TestServer.Question }];
    private static readonly object Schema = new { type = "object", properties = new { ok = new { type = "boolean" } }, required = new[] { "ok" }, additionalProperties = false };
    private static readonly object[] Tools = [new { type = "function", function = new { name = "check", parameters = Schema } }];

    [Test]
    public async Task A_schema_is_kept_to_whole_and_in_a_stream()
    {
        await using var server = await TestServer.StartAsync();
        var format = new { type = "json_schema", json_schema = new { name = "answer", schema = Schema } };
        var answer = await server.PostAsync(Chat, new { messages = Question, temperature = 0, max_tokens = 64, response_format = format, structured_outputs = (object?)null });
        Assert.That(TestServer.Parse(answer.Text("choices", 0, "message", "content")!).At("ok").ValueKind, Is.AnyOf(JsonValueKind.True, JsonValueKind.False));
        var events = await server.StreamAsync(Chat, new { messages = Question, temperature = 0, max_tokens = 64, response_format = format, stream = true });
        Assert.That(string.Concat(events.Select(e => e.Text("choices", 0, "delta", "content"))), Is.EqualTo(answer.Text("choices", 0, "message", "content")));
    }

    [Test]
    public async Task A_choice_and_a_regular_expression_are_kept_to()
    {
        await using var server = await TestServer.StartAsync();
        var choice = await server.PostAsync("/v1/completions", new { prompt = TestServer.Question, structured_outputs = new { choice = new[] { "Rome", "Madrid" } } });
        Assert.That(choice.Text("choices", 0, "text"), Is.AnyOf("Rome", "Madrid"));
        var guided = await server.PostAsync("/v1/completions", new { prompt = TestServer.Question, guided_regex = "[0-9]{3}" });
        Assert.That(guided.Text("choices", 0, "text"), Does.Match("^[0-9]{3}$"));
        Assert.That((await server.PostAsync(Chat, new { messages = Question, response_format = new { type = "text" }, temperature = 0 })).Text("choices", 0, "message", "content"), Does.Contain("Paris"));
    }

    [TestCase("""{"prompt": "a", "response_format": {"type": "xml"}}""", "response_format.type")]
    [TestCase("""{"prompt": "a", "response_format": {"type": "json_schema"}}""", "response_format.json_schema")]
    [TestCase("""{"prompt": "a", "response_format": {"type": "json_object"}, "guided_regex": "a"}""", "response_format")]
    [TestCase("""{"prompt": "a", "structured_outputs": {}}""", "structured_outputs")]
    [TestCase("""{"prompt": "a", "structured_outputs": {"regex": "("}}""", "structured_outputs")]
    public async Task A_constraint_that_is_none_is_refused(string body, string? parameter)
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.PostAsync("/v1/completions", JsonReading.Json(body));
        var error = TestServer.Parse(await response.Content.ReadAsStringAsync()).At("error");
        Assert.That(error.At("code").GetInt32(), Is.EqualTo(400));
        Assert.That(error.Text("param"), Is.EqualTo(parameter));
    }

    [Test]
    public async Task A_tool_that_is_named_is_called()
    {
        await using var server = await TestServer.StartAsync();
        var choice = new { type = "function", function = new { name = "check" } };
        var message = (await server.PostAsync(Chat, new { messages = Question, tools = Tools, tool_choice = choice, temperature = 0, max_tokens = 64 })).At("choices", 0, "message");
        Assert.That(message.At("content").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(message.Text("tool_calls", 0, "function", "name"), Is.EqualTo("check"));
        Assert.That(TestServer.Parse(message.Text("tool_calls", 0, "function", "arguments")!).TryGetProperty("ok", out _), Is.True);
        var events = await server.StreamAsync(Chat, new { messages = Question, tools = Tools, tool_choice = choice, temperature = 0, max_tokens = 64, stream = true });
        var calls = events.Select(e => e.At("choices", 0, "delta")).Where(d => d.TryGetProperty("tool_calls", out _)).Select(d => d.At("tool_calls", 0)).ToList();
        Assert.That(calls.Select(c => c.At("index").GetInt32()), Is.All.Zero);
        Assert.That((calls[0].Text("type"), calls[0].Text("function", "name"), calls[0].Text("id")!.Length), Is.EqualTo(("function", "check", message.Text("tool_calls", 0, "id")!.Length)));
        Assert.That(calls[1..].Any(c => c.TryGetProperty("id", out _) || c.At("function").TryGetProperty("name", out _)), Is.False);
        Assert.That(string.Concat(calls.Select(c => c.Text("function", "arguments"))), Is.EqualTo(message.Text("tool_calls", 0, "function", "arguments")));
        Assert.That((await server.ErrorAsync(Chat, new { messages = Question, tools = Tools, tool_choice = new { type = "function", function = new { name = "other" } } })).Text("message"), Does.Contain("'other'"));
        Assert.That((await server.ErrorAsync(Chat, new { messages = Question, tools = Tools, tool_choice = "sometimes" })).Text("param"), Is.EqualTo("tool_choice"));
    }

    [TestCase("{}")]
    [TestCase("""{"properties": {}}""")]
    [TestCase("""{"type": ["object", "null"]}""")]
    public async Task Arguments_are_an_object_also_where_the_schema_does_not_say_so(string parameters)
    {
        await using var server = await TestServer.StartAsync();
        object[] tools = [new { type = "function", function = new { name = "f", parameters = TestServer.Parse(parameters) } }];
        var answer = await server.PostAsync(Chat, new { messages = Question, tools, tool_choice = new { type = "function", function = new { name = "f" } }, temperature = 0, max_tokens = 8 });
        Assert.That(answer.Text("choices", 0, "message", "tool_calls", 0, "function", "arguments"), Does.StartWith("{"));
    }

    [Test]
    public async Task A_wrong_schema_is_told_by_the_place_where_the_request_has_it()
    {
        await using var server = await TestServer.StartAsync();
        var wrong = TestServer.Parse("""{"type": "object", "properties": {"a": {"type": "date"}}}""");
        object[] tools = [Tools[0], new { type = "function", function = new { name = "wrong", parameters = wrong } }];
        foreach (var choice in (object[])["required", new { type = "function", function = new { name = "wrong" } }])
        {
            var error = await server.ErrorAsync(Chat, new { messages = Question, tools, tool_choice = choice });
            Assert.That(error.Text("param"), Is.EqualTo("tools[1].function.parameters"));
            Assert.That(error.Text("message"), Does.Contain("'#/properties/a'"));
        }

        var format = new { type = "json_schema", json_schema = new { name = "wrong", schema = wrong } };
        Assert.That((await server.ErrorAsync(Chat, new { messages = Question, response_format = format })).Text("param"), Is.EqualTo("response_format"));
        Assert.That((await server.ErrorAsync("/v1/completions", new { prompt = "a", response_format = format })).Text("param"), Is.EqualTo("response_format"));
        Assert.That((await server.ErrorAsync(Chat, new { messages = Question, structured_outputs = new { json = wrong } })).Text("param"), Is.EqualTo("structured_outputs"));
    }

    [Test]
    public async Task Where_a_call_is_required_there_is_one()
    {
        await using var server = await TestServer.StartAsync();
        var choice = (await server.PostAsync(Chat, new { messages = Question, tools = Tools, tool_choice = "required", parallel_tool_calls = false, temperature = 0, max_tokens = 64 })).At("choices", 0);
        Assert.That(choice.Text("finish_reason"), Is.EqualTo("tool_calls"));
        Assert.That(choice.Text("message", "tool_calls", 0, "function", "name"), Is.EqualTo("check"));
    }

    [Test]
    public async Task Tools_that_nothing_would_find_the_calls_of_are_refused()
    {
        await using var server = await TestServer.StartAsync();
        Assert.That((await server.ErrorAsync(Chat, new { messages = Question, tools = Tools, tool_choice = "auto" })).Text("message"), Does.Contain("--tool-call-parser"));
        Assert.That((await server.ErrorAsync(Chat, new { messages = Question, tools = Tools })).Text("param"), Is.EqualTo("tool_choice"));
        await server.PostAsync(Chat, new { messages = Question, tools = Tools, tool_choice = "none", max_tokens = 1 });
        Assert.That((await server.ErrorAsync(Chat, new { messages = Question, functions = Tools })).Text("param"), Is.EqualTo("functions"));
        Assert.That((await server.ErrorAsync(Chat, new { messages = Question, function_call = "auto" })).Text("param"), Is.EqualTo("function_call"));
    }

    [Test]
    public async Task A_required_call_that_is_cut_short_is_neither_a_call_nor_text()
    {
        await using var server = await TestServer.StartAsync();
        var choice = (await server.PostAsync(Chat, new { messages = Question, tools = Tools, tool_choice = "required", temperature = 0, max_tokens = 2 })).At("choices", 0);
        Assert.That(choice.Text("finish_reason"), Is.EqualTo("length"));
        Assert.That(choice.Text("message", "content"), Is.Empty);
    }
}
