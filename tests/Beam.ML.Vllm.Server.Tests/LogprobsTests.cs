using System.Text.Json;

namespace Beam.ML.Vllm.Server.Tests;

public sealed class LogprobsTests
{
    private static readonly object[] Question = [new { role = "user", content = TestServer.Question }];

    [Test]
    public async Task Completions_have_lists_of_tokens_and_of_the_likeliest_in_their_place()
    {
        await using var server = await TestServer.StartAsync();
        var choice = (await server.PostAsync("/v1/completions", new { prompt = TestServer.Question, max_tokens = 5, temperature = 0, logprobs = 2 })).At("choices", 0);
        var logprobs = choice.At("logprobs");
        Assert.That(string.Concat(logprobs.At("tokens").EnumerateArray().Select(t => t.GetString())), Is.EqualTo(choice.Text("text")));
        Assert.That(logprobs.At("token_logprobs").EnumerateArray().Select(l => l.GetDouble()), Has.Exactly(5).Items.And.All.InRange(-1, 0));
        Assert.That(logprobs.At("text_offset").Ints(), Is.EqualTo(Offsets(logprobs)));
        Assert.That(logprobs.At("top_logprobs").EnumerateArray().Select(top => top.EnumerateObject().Count()), Is.All.EqualTo(2));
        Assert.That(logprobs.At("top_logprobs", 0).GetProperty(logprobs.Text("tokens", 0)!).GetDouble(), Is.EqualTo(logprobs.At("token_logprobs", 0).GetDouble()));
    }

    [Test]
    public async Task An_echo_has_the_prompts_tokens_too_the_first_without_a_value()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var maxTokens in (int[])[0, 4])
        {
            var answer = await server.PostAsync("/v1/completions", new { prompt = TestServer.Question, max_tokens = maxTokens, temperature = 0, logprobs = 1, echo = true });
            var logprobs = answer.At("choices", 0, "logprobs");
            var prompt = answer.At("usage", "prompt_tokens").GetInt32();
            Assert.That(logprobs.At("tokens").GetArrayLength(), Is.EqualTo(prompt + maxTokens));
            Assert.That(logprobs.At("token_logprobs", 0).ValueKind, Is.EqualTo(JsonValueKind.Null));
            Assert.That(logprobs.At("token_logprobs").EnumerateArray().Skip(1).Select(l => l.GetDouble()), Is.All.LessThanOrEqualTo(0));
            Assert.That(string.Concat(logprobs.At("tokens").EnumerateArray().Select(t => t.GetString())), Is.EqualTo("<bos>" + answer.Text("choices", 0, "text")));
        }
    }

    [Test]
    public async Task Those_of_a_prompt_are_told_by_token_ids()
    {
        await using var server = await TestServer.StartAsync();
        var ids = server.Engine.Tokenizer!.Encode(TestServer.Question);
        var prompt = (await server.PostAsync("/v1/completions", new { prompt = TestServer.Question, max_tokens = 1, prompt_logprobs = 2 })).At("choices", 0, "prompt_logprobs");
        Assert.That(prompt.GetArrayLength(), Is.EqualTo(ids.Length));
        Assert.That(prompt[0].ValueKind, Is.EqualTo(JsonValueKind.Null));
        for (var i = 1; i < ids.Length; i++)
        {
            var own = prompt[i].GetProperty($"{ids[i]}");
            Assert.That(own.At("logprob").GetDouble(), Is.LessThanOrEqualTo(0));
            Assert.That(own.At("rank").GetInt32(), Is.GreaterThanOrEqualTo(1));
            Assert.That(prompt[i].EnumerateObject().Count(), Is.InRange(2, 3));
        }

        var chat = await server.PostAsync("/v1/chat/completions", new { messages = Question, max_tokens = 1, prompt_logprobs = 0 });
        Assert.That(chat.At("prompt_logprobs").GetArrayLength(), Is.EqualTo(chat.At("usage", "prompt_tokens").GetInt32()));
        Assert.That((await server.ErrorAsync("/v1/completions", new { prompt = "a", prompt_logprobs = 1, stream = true })).Text("param"), Is.EqualTo("prompt_logprobs"));
    }

    [Test]
    public async Task Chat_has_an_object_for_each_token_with_its_bytes()
    {
        await using var server = await TestServer.StartAsync();
        var choice = (await server.PostAsync("/v1/chat/completions", new { messages = Question, max_completion_tokens = 5, temperature = 0, logprobs = true, top_logprobs = 3 })).At("choices", 0);
        var content = choice.At("logprobs", "content");
        Assert.That(content.GetArrayLength(), Is.EqualTo(5));
        foreach (var token in content.EnumerateArray())
        {
            Assert.That(token.At("top_logprobs").GetArrayLength(), Is.EqualTo(3));
            Assert.That(token.At("bytes").Ints(), Is.EqualTo(System.Text.Encoding.UTF8.GetBytes(token.Text("token")!).Select(b => (int)b)));
            Assert.That(token.Text("top_logprobs", 0, "token"), Is.EqualTo(token.Text("token")), "Greedy takes the likeliest.");
        }

        Assert.That(string.Concat(content.EnumerateArray().Select(t => t.Text("token"))), Is.EqualTo(choice.Text("message", "content")));
        Assert.That((await server.ErrorAsync("/v1/chat/completions", new { messages = Question, top_logprobs = 3 })).Text("param"), Is.EqualTo("top_logprobs"));
        Assert.That((await server.ErrorAsync("/v1/chat/completions", new { messages = Question, logprobs = true, top_logprobs = 21 })).Text("message"), Does.Contain("logprobs"));
    }

    [Test]
    public async Task Streams_have_those_of_the_new_tokens_with_running_offsets()
    {
        await using var server = await TestServer.StartAsync();
        var body = new { prompt = TestServer.Question, max_tokens = 5, temperature = 0, logprobs = 1, echo = true, stream = true };
        var events = await server.StreamAsync("/v1/completions", body);
        var tokens = events.SelectMany(e => e.At("choices", 0, "logprobs", "tokens").EnumerateArray()).Select(t => t.GetString()!).ToArray();
        Assert.That(string.Concat(tokens), Is.EqualTo("<bos>" + string.Concat(events.Select(e => e.Text("choices", 0, "text")))));
        var chat = await server.StreamAsync("/v1/chat/completions", new { messages = Question, max_tokens = 5, temperature = 0, logprobs = true, stream = true });
        Assert.That(chat.Select(e => e.At("choices", 0, "logprobs")).Where(l => l.ValueKind == JsonValueKind.Object).Sum(l => l.At("content").GetArrayLength()), Is.EqualTo(5));
    }

    [Test]
    public async Task Tokens_can_be_told_by_their_ids()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { ReturnTokensAsTokenIds = true });
        var choice = (await server.PostAsync("/v1/completions", new { prompt = TestServer.Question, max_tokens = 3, temperature = 0, logprobs = 0, return_token_ids = true })).At("choices", 0);
        Assert.That(choice.At("logprobs", "tokens").EnumerateArray().Select(t => t.GetString()), Is.EqualTo(choice.At("token_ids").Ints().Select(id => $"token_id:{id}")));
    }

    [Test]
    public async Task A_request_can_ask_for_ids_in_place_of_tokens_and_for_tokens_where_the_server_has_ids()
    {
        await using var texts = await TestServer.StartAsync();
        await using var ids = await TestServer.StartAsync(new ServerOptions { ReturnTokensAsTokenIds = true });
        foreach (var (server, asked, asIds) in new (TestServer, bool?, bool)[] { (texts, true, true), (texts, false, false), (texts, null, false), (ids, false, false), (ids, null, true) })
        {
            var completion = await server.PostAsync("/v1/completions", new { prompt = TestServer.Question, max_tokens = 2, temperature = 0, logprobs = 1, return_tokens_as_token_ids = asked });
            Assert.That(completion.Text("choices", 0, "logprobs", "tokens", 1)!.StartsWith("token_id:", StringComparison.Ordinal), Is.EqualTo(asIds));
            var chat = await server.PostAsync("/v1/chat/completions", new { messages = Question, max_tokens = 2, temperature = 0, logprobs = true, return_tokens_as_token_ids = asked });
            Assert.That(chat.Text("choices", 0, "logprobs", "content", 0, "token")!.StartsWith("token_id:", StringComparison.Ordinal), Is.EqualTo(asIds));
        }
    }

    [Test]
    public async Task Alternatives_to_the_rest_of_a_character_are_their_own_text()
    {
        await using var server = await TestServer.StartAsync();
        var body = new { prompt = "What is \U0001F600 the capital", max_tokens = 1, logprobs = 5, echo = true, temperature = 0 };
        var logprobs = (await server.PostAsync("/v1/completions", body)).At("choices", 0, "logprobs");
        Assert.That(logprobs.At("tokens").EnumerateArray().Select(t => t.GetString()), Has.Some.EqualTo("\U0001F600").And.Some.Empty);
        var names = logprobs.At("top_logprobs").EnumerateArray().Where(top => top.ValueKind == JsonValueKind.Object).SelectMany(top => top.EnumerateObject()).Select(t => t.Name).ToArray();
        Assert.That(names, Has.Length.GreaterThan(50).And.None.StartsWith("\uFFFD"));
    }

    [Test]
    public async Task Offsets_count_characters_of_Unicode()
    {
        await using var server = await TestServer.StartAsync();
        const string Prompt = "What is \U0001F600 the capital";
        var body = new { prompt = Prompt, max_tokens = 1, logprobs = 1, echo = true, temperature = 0, stream = false };
        var logprobs = (await server.PostAsync("/v1/completions", body)).At("choices", 0, "logprobs");
        var (tokens, offsets) = (logprobs.At("tokens").EnumerateArray().Select(t => t.GetString()!).ToArray(), logprobs.At("text_offset").Ints());
        var runes = tokens.Select(t => t.EnumerateRunes().Count()).ToArray();
        Assert.That(offsets, Is.EqualTo(runes.Select((_, i) => runes[..i].Sum())));
        var streamed = (await server.StreamAsync("/v1/completions", body with { stream = true })).SelectMany(e => e.At("choices", 0, "logprobs", "text_offset").Ints());
        Assert.That(streamed.Last() - "<bos>".Length, Is.LessThanOrEqualTo(Prompt.EnumerateRunes().Count()));
    }

    [Test]
    public async Task Several_completions_of_a_prompt_are_choices_whole_and_in_a_stream()
    {
        await using var server = await TestServer.StartAsync();
        var body = new { prompt = new[] { TestServer.Question, "What is 2 plus 2?" }, n = 3, seed = 7, temperature = 1.5, max_tokens = 12, ignore_eos = true };
        var whole = (await server.PostAsync("/v1/completions", body)).At("choices").EnumerateArray().Select(c => c.Text("text")).ToArray();
        Assert.That(whole, Has.Length.EqualTo(6));
        Assert.That(whole[..3].Distinct().Count(), Is.GreaterThan(1));
        var events = await server.StreamAsync("/v1/completions", new { body.prompt, body.n, body.seed, body.temperature, body.max_tokens, body.ignore_eos, stream = true });
        var streamed = Enumerable.Range(0, 6).Select(i => string.Concat(events.Select(e => e.At("choices", 0)).Where(c => c.At("index").GetInt32() == i).Select(c => c.Text("text")))).ToArray();
        Assert.That(streamed, Is.EqualTo(whole));
        Assert.That((await server.ErrorAsync("/v1/completions", new { prompt = "a", n = 2, temperature = 0 })).Text("param"), Is.EqualTo("n"));
        Assert.That((await server.ErrorAsync("/v1/completions", new { prompt = "a", n = 1, best_of = 3, stream = true })).Text("message"), Does.Contain("best_of=3"));
        Assert.That((await server.PostAsync("/v1/completions", new { prompt = "a", n = 1, best_of = 3, max_tokens = 3 })).At("choices").GetArrayLength(), Is.EqualTo(1));
    }

    private static int[] Offsets(JsonElement logprobs)
    {
        var offset = 0;
        return [.. logprobs.At("tokens").EnumerateArray().Select(t => (offset += t.GetString()!.Length) - t.GetString()!.Length)];
    }
}
