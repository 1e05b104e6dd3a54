using System.Text.Json;

namespace Beam.ML.Vllm.Server.Tests;

public sealed class ChatTests
{
    private const string Path = "/v1/chat/completions";

    private static readonly object[] Question = [new { role = "user", content = TestServer.Question }];

    [Test]
    public async Task An_answer_has_the_fields_of_OpenAIs()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(Path, new { model = "tiny-gemma", messages = Question, temperature = 0 });
        Assert.That(answer.Text("id"), Does.StartWith("chatcmpl-"));
        Assert.That(answer.Text("object"), Is.EqualTo("chat.completion"));
        Assert.That(answer.Text("choices", 0, "message", "role"), Is.EqualTo("assistant"));
        Assert.That(answer.Text("choices", 0, "message", "content")!.Trim(), Is.EqualTo(TestServer.Answer.Trim()));
        Assert.That(answer.At("choices", 0, "message").TryGetProperty("tool_calls", out _), Is.False);
        Assert.That(answer.Text("choices", 0, "finish_reason"), Is.EqualTo("stop"));
        Assert.That(answer.At("usage", "completion_tokens").GetInt32(), Is.GreaterThan(5));
    }

    [Test]
    public async Task A_stream_begins_with_the_role_and_ends_with_the_reason()
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(Path, new { messages = Question, temperature = 0, stream = true, stream_options = new { include_usage = true } });
        Assert.That(events.Select(e => e.Text("object")), Is.All.EqualTo("chat.completion.chunk"));
        Assert.That((events[0].Text("choices", 0, "delta", "role"), events[0].Text("choices", 0, "delta", "content")), Is.EqualTo(("assistant", "")));
        var text = string.Concat(events[..^1].Select(e => e.Text("choices", 0, "delta", "content")));
        Assert.That(text.Trim(), Is.EqualTo(TestServer.Answer.Trim()));
        Assert.That(events[1..^1].Any(e => e.At("choices", 0, "delta").TryGetProperty("role", out _)), Is.False);
        Assert.That(events[^2].Text("choices", 0, "finish_reason"), Is.EqualTo("stop"));
        Assert.That(events[^1].At("choices").GetArrayLength(), Is.Zero);
        Assert.That(events[^1].At("usage", "total_tokens").GetInt32(), Is.GreaterThan(10));
    }

    [Test]
    public async Task A_stream_of_several_answers_tells_the_role_of_each_first()
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(Path, new { messages = Question, n = 3, seed = 1, max_tokens = 4, ignore_eos = true, stream = true });
        Assert.That(events[..3].Select(e => (e.At("choices", 0, "index").GetInt32(), e.Text("choices", 0, "delta", "role"))), Is.EqualTo(new[] { (0, "assistant"), (1, "assistant"), (2, "assistant") }));
        Assert.That(events[3..].Any(e => e.At("choices", 0, "delta").TryGetProperty("role", out _)), Is.False);
    }

    [Test]
    public async Task Where_no_message_is_begun_the_answer_is_the_last_ones()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(Path, new { messages = Question, add_generation_prompt = false, max_tokens = 1 });
        Assert.That(answer.Text("choices", 0, "message", "role"), Is.EqualTo("user"));
    }

    [Test]
    public async Task The_longest_answer_is_what_the_models_makers_say_even_where_it_is_the_default_elsewhere()
    {
        var folder = Directory.CreateTempSubdirectory("beam-model-");
        try
        {
            foreach (var file in Directory.EnumerateFiles(TestServer.TinyGemma)) File.Copy(file, System.IO.Path.Combine(folder.FullName, System.IO.Path.GetFileName(file)));
            await File.WriteAllTextAsync(System.IO.Path.Combine(folder.FullName, "generation_config.json"), """{"max_new_tokens": 16}""");
            await using var server = await TestServer.StartAsync(null, new() { Model = folder.FullName, NumThreads = 1, NumKvBlocks = 128 });
            var answer = await server.PostAsync(Path, new { messages = Question, ignore_eos = true });
            Assert.That(answer.At("usage", "completion_tokens").GetInt32(), Is.EqualTo(16));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Test]
    public async Task Contents_may_come_in_parts_of_text_and_of_nothing_else()
    {
        await using var server = await TestServer.StartAsync();
        var parts = await server.PostAsync(Path, new { messages = new[] { new { role = "user", content = new[] { new { type = "text", text = TestServer.Question } } } }, temperature = 0 });
        Assert.That(parts.Text("choices", 0, "message", "content"), Does.Contain("Paris"));
        var image = await server.ErrorAsync(Path, new { messages = new[] { new { role = "user", content = new[] { new { type = "image_url", image_url = new { url = "http://x/y.png" } } } } } });
        Assert.That(image.Text("message"), Does.Contain("image_url").And.Contain("text only"));
        Assert.That(image.Text("param"), Is.EqualTo("messages[0].content[0]"));
    }

    [Test]
    public async Task The_prompt_is_the_template_that_a_trusted_request_asks_for()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { TrustRequestChatTemplate = true });
        const string Own = "{% for m in messages %}{{ m.content }}{% endfor %}{{ greeting }}";
        var answer = await server.PostAsync(Path, new { messages = Question, chat_template = Own, chat_template_kwargs = new { greeting = "!" }, max_tokens = 1, return_token_ids = true });
        Assert.That(answer.At("prompt_token_ids").Ints(), Is.EqualTo(server.Engine.Tokenizer!.Encode(TestServer.Question + "!", addSpecialTokens: false)));
        var error = await server.ErrorAsync(Path, new { messages = Question, chat_template = "{{ raise_exception('Not like this') }}" });
        Assert.That(error.Text("message"), Does.Contain("Not like this"));
        Assert.That((await server.ErrorAsync(Path, new { messages = Question, chat_template = "{% for x in range(999999999) %}{{ x }}{% endfor %}" })).Text("message"), Is.Not.Empty);
    }

    [Test]
    public async Task A_template_of_a_requests_own_is_refused_unless_it_is_trusted()
    {
        await using var server = await TestServer.StartAsync();
        var error = await server.ErrorAsync(Path, new { messages = Question, chat_template = "x" });
        Assert.That(error.Text("param"), Is.EqualTo("chat_template"));
        Assert.That(error.Text("message"), Does.Contain("--trust-request-chat-template"));
        foreach (var path in (string[])[Path, "/tokenize", "/v1/embeddings"])
            Assert.That((await server.ErrorAsync(path, new { messages = Question, chat_template_kwargs = new { chat_template = "x" } })).Text("param"), Is.EqualTo("chat_template"), path);
        await server.PostAsync(Path, new { messages = Question, chat_template = (string?)null, max_tokens = 1 });
    }

    [Test]
    public async Task What_is_odd_in_a_conversation_is_no_failure_of_the_server()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { TrustRequestChatTemplate = true });
        const string Calls = """{"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "ARGUMENTS"}}]}], "chat_template": "{{ messages[0].tool_calls[0].function.arguments }}", """;
        var nested = new string('[', 62) + new string(']', 62);
        Assert.That(await PromptOfAsync(Calls.Replace("ARGUMENTS", nested, StringComparison.Ordinal)), Is.EqualTo(nested));
        Assert.That(await PromptOfAsync(Calls.Replace("ARGUMENTS", """[\"\\ud800\"]""", StringComparison.Ordinal)), Is.EqualTo("""["\ud800"]"""));
        Assert.That(await PromptOfAsync("""{"messages": [{"role": "user", "content": "x"}], "chat_template": "{{ a }}", "chat_template_kwargs": {"a": 1, "a": 2}, """), Is.EqualTo("2"));
        using var zfill = await server.Client.PostAsync(Path, JsonReading.Json("""{"messages": [{"role": "user", "content": "x"}], "chat_template": "{{ '-'.zfill(-1) }}", "max_tokens": 1}"""));
        Assert.That((int)zfill.StatusCode, Is.LessThan(500));

        async Task<string> PromptOfAsync(string body)
        {
            using var response = await server.Client.PostAsync(Path, JsonReading.Json(body + "\"max_tokens\": 1, \"return_token_ids\": true}"));
            var text = await response.Content.ReadAsStringAsync();
            Assert.That((int)response.StatusCode, Is.EqualTo(200), text);
            return server.Engine.Tokenizer!.Decode(TestServer.Parse(text).At("prompt_token_ids").Ints(), skipSpecialTokens: false);
        }
    }

    [Test]
    public async Task The_last_message_can_be_continued()
    {
        await using var server = await TestServer.StartAsync();
        object[] messages = [.. Question, new { role = "assistant", content = "The capital of France" }];
        var answer = await server.PostAsync(Path, new { messages, continue_final_message = true, add_generation_prompt = false, temperature = 0 });
        Assert.That(answer.Text("choices", 0, "message", "content"), Is.EqualTo(" is Paris."));
        var echoed = await server.PostAsync(Path, new { messages, continue_final_message = true, echo = true, temperature = 0 });
        Assert.That(echoed.Text("choices", 0, "message", "content"), Is.EqualTo("The capital of France is Paris."));
        Assert.That((await server.ErrorAsync(Path, new { messages, continue_final_message = true, add_generation_prompt = true })).Text("param"), Is.EqualTo("continue_final_message"));
    }

    // Each is also a part of what the template writes behind a message.
    [TestCase("of", "of")]
    [TestCase("e", "e")]
    [TestCase("end", "end")]
    [TestCase("<end_of_turn>", "<end_of_turn>")]
    [TestCase("model", "model")]
    [TestCase("CONTINUE_FINAL_MESSAGE_TAG", "CONTINUE_FINAL_MESSAGE_TAG")]
    [TestCase(" It is ", "It is")]
    [TestCase("", "")]
    [TestCase(" ", "")]
    public async Task A_continued_message_ends_where_it_ends_whatever_it_says(string content, string written)
    {
        await using var server = await TestServer.StartAsync();
        Assert.That(await PromptOfAsync(server, new { messages = Continued(content), continue_final_message = true }),
            Is.EqualTo($"<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n{written}"));
    }

    [Test]
    public async Task A_template_that_keeps_blanks_keeps_those_of_a_continued_message_and_one_that_drops_it_is_told()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { TrustRequestChatTemplate = true });
        const string Keeps = "{% for m in messages %}<s>{{ m.content }}</s>{% endfor %}";
        Assert.That(await PromptOfAsync(server, new { messages = Continued("It is "), continue_final_message = true, chat_template = Keeps }), Is.EqualTo("<s>Hi</s><s>It is "));
        foreach (var drops in (string[])["{{ messages[0].content }}", "{% for m in messages %}{{ m.content | upper }}{% endfor %}", "{% for m in messages %}{{ m.content.split('is')[-1] }}{% endfor %}"])
            Assert.That((await server.ErrorAsync("/tokenize", new { messages = Continued("it is so"), continue_final_message = true, chat_template = drops })).Text("param"), Is.EqualTo("continue_final_message"), drops);
        object[] nothing = [new { role = "user", content = "Hi" }, new { role = "assistant", content = (string?)null }];
        Assert.That((await server.ErrorAsync("/tokenize", new { messages = nothing, continue_final_message = true })).Text("param"), Is.EqualTo("messages[1].content"));
    }

    [Test]
    public async Task Tools_that_may_not_be_called_are_kept_from_the_template_where_the_server_says_so()
    {
        object[] tools = [new { type = "function", function = new { name = "weather" } }];
        const string Template = "{{ tools[0].function.name if tools else 'none' }}";
        foreach (var excludes in (bool[])[false, true])
        {
            await using var server = await TestServer.StartAsync(new ServerOptions { TrustRequestChatTemplate = true, ExcludeToolsWhenToolChoiceNone = excludes });
            Assert.That(await PromptOfAsync(server, new { messages = Question, tools, tool_choice = "none", chat_template = Template }), Is.EqualTo(excludes ? "none" : "weather"));
        }
    }

    [Test]
    public async Task The_effort_of_reasoning_reaches_the_template()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { TrustRequestChatTemplate = true });
        const string Template = "{{ reasoning_effort is defined }},{{ reasoning_effort }},{{ enable_thinking }}";
        Assert.That(await PromptOfAsync(server, new { messages = Question, chat_template = Template }), Is.EqualTo("False,,"));
        Assert.That(await PromptOfAsync(server, new { messages = Question, chat_template = Template, reasoning_effort = "high" }), Is.EqualTo("True,high,True"));
        Assert.That(await PromptOfAsync(server, new { messages = Question, chat_template = Template, reasoning_effort = "none" }), Is.EqualTo("True,none,False"));
        var both = new { messages = Question, chat_template = Template, reasoning_effort = "low", chat_template_kwargs = new { reasoning_effort = "high", enable_thinking = false } };
        Assert.That(await PromptOfAsync(server, both), Is.EqualTo("True,low,False"));
        foreach (var path in (string[])[Path, "/tokenize"])
            Assert.That((await server.ErrorAsync(path, new { messages = Question, reasoning_effort = "much" })).Text("param"), Is.EqualTo("reasoning_effort"));
    }

    [Test]
    public async Task Variables_of_a_template_do_not_replace_what_the_request_says()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { TrustRequestChatTemplate = true });
        foreach (var name in (string[])["messages", "tools", "tokenize"])
        {
            var kwargs = new Dictionary<string, object> { [name] = Array.Empty<object>() };
            Assert.That((await server.ErrorAsync(Path, new { messages = Question, chat_template_kwargs = kwargs })).Text("param"), Is.EqualTo($"chat_template_kwargs.{name}"));
        }

        var body = new
        {
            messages = Question, documents = new[] { new { text = "own" } }, chat_template = "{{ add_generation_prompt }},{{ documents[0].text }},{{ more }}",
            chat_template_kwargs = new { add_generation_prompt = false, documents = new[] { new { text = "other" } }, more = 1 },
        };
        Assert.That(await PromptOfAsync(server, body), Is.EqualTo("True,own,1"));
    }

    [Test]
    public async Task A_template_may_do_no_more_than_the_context_is_worth()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { TrustRequestChatTemplate = true });
        const string Loops = "{% for i in range(20000) %}{% for j in range(20) %}{{ i + j }}{% endfor %}{% endfor %}";
        Assert.That((await server.ErrorAsync(Path, new { messages = Question, chat_template = Loops })).Text("message"), Does.Contain("work"));
        object[] tooLong = [new { role = "user", content = string.Concat(Enumerable.Repeat("word </think>", 100_000)) }];
        Assert.That((await server.ErrorAsync(Path, new { messages = tooLong })).Text("message"), Does.Contain("maximum context length"));
    }

    private static object[] Continued(string content) => [new { role = "user", content = "Hi" }, new { role = "assistant", content }];

    private static async Task<string> PromptOfAsync(TestServer server, object body) =>
        server.Engine.Tokenizer!.Decode((await server.PostAsync("/tokenize", body)).At("tokens").Ints(), skipSpecialTokens: false);

    [Test]
    public async Task Tools_reach_the_template_and_their_calls_become_objects_in_it()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { ToolCallParser = "hermes", TrustRequestChatTemplate = true });
        const string Template = "{{ tools[0].function.name if tools else 'none' }}|{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.arguments.city }}{% endfor %}{{ m.content }}{% endfor %}";
        object[] tools = [new { type = "function", function = new { name = "weather", parameters = new { type = "object" } } }];
        object[] messages =
        [
            new { role = "assistant", content = (string?)null, tool_calls = new[] { new { id = "1", type = "function", function = new { name = "weather", arguments = "{\"city\":\"Rome\"}" } } } },
            new { role = "tool", tool_call_id = "1", content = "rain" },
        ];
        Assert.That(await PromptOfAsync(new { messages, tools, chat_template = Template, max_tokens = 1, return_token_ids = true }), Is.EqualTo("weather|Romerain"));
        Assert.That(await PromptOfAsync(new { messages, tools, tool_choice = "none", chat_template = Template, max_tokens = 1, return_token_ids = true }), Is.EqualTo("weather|Romerain"));
        Assert.That((await server.ErrorAsync(Path, new { messages, tools = Array.Empty<object>() })).Text("param"), Is.EqualTo("tools"));
        Assert.That((await server.ErrorAsync(Path, new { messages, tool_choice = "auto" })).Text("param"), Is.EqualTo("tool_choice"));

        async Task<string> PromptOfAsync(object body) => server.Engine.Tokenizer!.Decode((await server.PostAsync(Path, body)).At("prompt_token_ids").Ints(), skipSpecialTokens: false);
    }

    [TestCase("{}", "messages")]
    [TestCase("""{"messages": []}""", "messages")]
    [TestCase("""{"messages": [17]}""", "messages[0]")]
    [TestCase("""{"messages": [{"content": "x"}]}""", "messages[0].role")]
    [TestCase("""{"messages": [{"role": "user", "content": 17}]}""", "messages[0].content")]
    public async Task Messages_that_are_none_are_refused_by_their_place(string body, string parameter)
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.PostAsync(Path, JsonReading.Json(body));
        Assert.That((int)response.StatusCode, Is.EqualTo(400));
        Assert.That(TestServer.Parse(await response.Content.ReadAsStringAsync()).Text("error", "param"), Is.EqualTo(parameter));
    }
}
