namespace Beam.ML.Vllm.Server.Tests;

public sealed class CompletionsTests
{
    private const string Path = "/v1/completions";

    [Test]
    public async Task A_completion_has_the_fields_of_OpenAIs()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(Path, new { model = "tiny-gemma", prompt = TestServer.Question, max_tokens = 64, temperature = 0 });
        Assert.That(answer.Text("id"), Does.StartWith("cmpl-"));
        Assert.That(answer.Text("object"), Is.EqualTo("text_completion"));
        Assert.That(answer.At("created").GetInt64(), Is.EqualTo(DateTimeOffset.UtcNow.ToUnixTimeSeconds()).Within(600));
        Assert.That(answer.Text("model"), Is.EqualTo("tiny-gemma"));
        Assert.That(answer.Text("choices", 0, "text"), Is.EqualTo(TestServer.Answer));
        Assert.That(answer.At("choices", 0, "index").GetInt32(), Is.Zero);
        Assert.That(answer.At("choices", 0, "logprobs").ValueKind, Is.EqualTo(System.Text.Json.JsonValueKind.Null));
        Assert.That(answer.Text("choices", 0, "finish_reason"), Is.EqualTo("stop"));
        Assert.That(answer.Text("choices", 0, "stop_reason"), Is.Null);
        var (prompt, completion) = (answer.At("usage", "prompt_tokens").GetInt32(), answer.At("usage", "completion_tokens").GetInt32());
        Assert.That(prompt, Is.EqualTo(server.Engine.Tokenizer!.Encode(TestServer.Question).Length));
        Assert.That(completion, Is.GreaterThan(5));
        Assert.That(answer.At("usage", "total_tokens").GetInt32(), Is.EqualTo(prompt + completion));
    }

    [Test]
    public async Task Prompts_may_be_texts_or_tokens_and_several()
    {
        await using var server = await TestServer.StartAsync();
        var ids = server.Engine.Tokenizer!.Encode(TestServer.Question);
        var two = await server.PostAsync(Path, new { prompt = new[] { "What is 2 plus 2?", TestServer.Question }, max_tokens = 64, temperature = 0 });
        Assert.That((two.Text("choices", 0, "text"), two.Text("choices", 1, "text")), Is.EqualTo((" 2 plus 2 is 4.", TestServer.Answer)));
        Assert.That(two.At("choices", 1, "index").GetInt32(), Is.EqualTo(1));
        var tokens = await server.PostAsync(Path, new { prompt = ids, max_tokens = 64, temperature = 0 });
        Assert.That(tokens.Text("choices", 0, "text"), Is.EqualTo(TestServer.Answer));
        var lists = await server.PostAsync(Path, new { prompt = new[] { ids, ids }, max_tokens = 64, temperature = 0 });
        Assert.That(lists.Text("choices", 1, "text"), Is.EqualTo(TestServer.Answer));
    }

    [Test]
    public async Task Whole_numbers_may_be_written_with_a_point()
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.PostAsync(Path, JsonReading.Json("""{"prompt": "a", "max_tokens": 3.0, "n": 1.0, "top_k": 1e1, "seed": 1, "priority": 0.0, "ignore_eos": true}"""));
        Assert.That(TestServer.Parse(await response.Content.ReadAsStringAsync()).At("usage", "completion_tokens").GetInt32(), Is.EqualTo(3));
        Assert.That((await server.ErrorAsync(Path, new { prompt = "a", top_k = 1.5 })).Text("param"), Is.EqualTo("top_k"));
        Assert.That((await server.ErrorAsync(Path, new { prompt = "a", max_tokens = 3e9 })).Text("param"), Is.EqualTo("max_tokens"));
    }

    [Test]
    public async Task Without_a_limit_sixteen_tokens_are_made()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(Path, new { prompt = TestServer.Question, ignore_eos = true, max_tokens = (int?)null });
        Assert.That(answer.At("usage", "completion_tokens").GetInt32(), Is.EqualTo(16));
        Assert.That(answer.Text("choices", 0, "finish_reason"), Is.EqualTo("length"));
    }

    [Test]
    public async Task An_echo_puts_the_prompt_first_and_without_tokens_is_the_prompt_alone()
    {
        await using var server = await TestServer.StartAsync();
        var echo = await server.PostAsync(Path, new { prompt = TestServer.Question, max_tokens = 64, temperature = 0, echo = true });
        Assert.That(echo.Text("choices", 0, "text"), Is.EqualTo(TestServer.Question + TestServer.Answer));
        var alone = await server.PostAsync(Path, new { prompt = TestServer.Question, max_tokens = 0, echo = true });
        Assert.That(alone.Text("choices", 0, "text"), Is.EqualTo(TestServer.Question));
        Assert.That(alone.At("usage", "completion_tokens").GetInt32(), Is.Zero);
    }

    [Test]
    public async Task Stops_are_told_and_kept_only_on_request()
    {
        await using var server = await TestServer.StartAsync();
        var stopped = await server.PostAsync(Path, new { prompt = TestServer.Question, max_tokens = 64, temperature = 0, stop = " France" });
        Assert.That((stopped.Text("choices", 0, "text"), stopped.Text("choices", 0, "stop_reason")), Is.EqualTo((" The capital of", " France")));
        var kept = await server.PostAsync(Path, new { prompt = TestServer.Question, max_tokens = 64, temperature = 0, stop = new[] { " France" }, include_stop_str_in_output = true });
        Assert.That(kept.Text("choices", 0, "text"), Is.EqualTo(" The capital of France"));
        var first = (await server.PostAsync(Path, new { prompt = TestServer.Question, max_tokens = 1, temperature = 0, return_token_ids = true })).At("choices", 0, "token_ids").Ints()[0];
        var byId = await server.PostAsync(Path, new { prompt = TestServer.Question, max_tokens = 64, temperature = 0, stop_token_ids = new[] { first } });
        Assert.That((byId.Text("choices", 0, "text"), byId.At("choices", 0, "stop_reason").GetInt32()), Is.EqualTo(("", first)));
    }

    [Test]
    public async Task A_seed_makes_sampling_repeatable_and_token_ids_are_told()
    {
        await using var server = await TestServer.StartAsync();
        var body = new { prompt = TestServer.Question, max_tokens = 32, temperature = 2.0, seed = 42, ignore_eos = true, return_token_ids = true };
        var (one, two) = (await server.PostAsync(Path, body), await server.PostAsync(Path, body));
        Assert.That(two.At("choices", 0, "token_ids").Ints(), Is.EqualTo(one.At("choices", 0, "token_ids").Ints()).And.Length.EqualTo(32));
        Assert.That(one.At("choices", 0, "prompt_token_ids").Ints(), Is.EqualTo(server.Engine.Tokenizer!.Encode(TestServer.Question)));
    }

    [Test]
    public async Task A_prompt_can_be_cut_to_its_last_tokens()
    {
        await using var server = await TestServer.StartAsync();
        var ids = server.Engine.Tokenizer!.Encode(TestServer.Question);
        var cut = await server.PostAsync(Path, new { prompt = TestServer.Question, truncate_prompt_tokens = 3, max_tokens = 1, return_token_ids = true });
        Assert.That(cut.At("choices", 0, "prompt_token_ids").Ints(), Is.EqualTo(ids[^3..]));
        var right = await server.PostAsync(Path, new { prompt = TestServer.Question, truncate_prompt_tokens = 3, truncation_side = "right", max_tokens = 1, return_token_ids = true });
        Assert.That(right.At("choices", 0, "prompt_token_ids").Ints(), Is.EqualTo(ids[..3]));
    }

    [Test]
    public async Task A_prompt_that_was_cut_is_echoed_as_the_model_saw_it()
    {
        await using var server = await TestServer.StartAsync();
        var tokenizer = server.Engine.Tokenizer!;
        var seen = tokenizer.Decode(tokenizer.Encode(TestServer.Question)[^2..]);
        var answer = await server.PostAsync(Path, new { prompt = TestServer.Question, truncate_prompt_tokens = 2, echo = true, logprobs = 0, max_tokens = 1, temperature = 0 });
        Assert.That(answer.Text("choices", 0, "text"), Does.StartWith(seen).And.Length.LessThan(TestServer.Question.Length));
        Assert.That(string.Concat(answer.At("choices", 0, "logprobs", "tokens").EnumerateArray().Select(t => t.GetString())), Is.EqualTo(answer.Text("choices", 0, "text")));
        var whole = await server.PostAsync(Path, new { prompt = TestServer.Question, truncate_prompt_tokens = 500, echo = true, max_tokens = 1, temperature = 0 });
        Assert.That(whole.Text("choices", 0, "text"), Does.StartWith(TestServer.Question));
    }

    [Test]
    public async Task No_text_is_a_prompt_where_the_tokenizer_begins_it()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(Path, new { prompt = "", max_tokens = 1, return_token_ids = true });
        Assert.That(answer.At("choices", 0, "prompt_token_ids").Ints(), Is.EqualTo(server.Engine.Tokenizer!.Encode("")).And.Length.EqualTo(1));
        Assert.That((await server.ErrorAsync(Path, new { prompt = "", add_special_tokens = false })).Text("message"), Is.EqualTo("The prompt cannot be empty."));
    }

    [Test]
    public async Task Requests_that_bear_the_same_id_are_served_side_by_side()
    {
        await using var server = await TestServer.StartAsync();
        using var first = await BeginAsync(Path, new { prompt = TestServer.Question, max_tokens = 1000, ignore_eos = true, stream = true });
        using var second = await BeginAsync(Path, new { prompt = TestServer.Question, max_tokens = 2, ignore_eos = true });
        Assert.That(TestServer.Parse(await second.Content.ReadAsStringAsync()).Text("id"), Is.EqualTo("cmpl-same"));
        using var search = await BeginAsync(Path, new { prompt = new[] { "a", "b" }, max_tokens = 2, use_beam_search = true, n = 2 });
        Assert.That(search.IsSuccessStatusCode);
        using var embedding = await BeginAsync("/v1/embeddings", new { input = new[] { "a", "a" } });
        Assert.That(embedding.IsSuccessStatusCode);

        async Task<HttpResponseMessage> BeginAsync(string path, object body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = System.Net.Http.Json.JsonContent.Create(body), Headers = { { "X-Request-Id", "same" } } };
            return await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        }
    }

    [Test]
    public async Task A_stream_is_the_same_text_in_pieces()
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(Path, new { prompt = TestServer.Question, max_tokens = 64, temperature = 0, stream = true });
        Assert.That(string.Concat(events.Select(e => e.Text("choices", 0, "text"))), Is.EqualTo(TestServer.Answer));
        Assert.That(events.Select(e => e.Text("id")).Distinct().Count(), Is.EqualTo(1));
        Assert.That(events[..^1].Select(e => e.Text("choices", 0, "finish_reason")), Is.All.Null);
        Assert.That(events[^1].Text("choices", 0, "finish_reason"), Is.EqualTo("stop"));
        Assert.That(events.Select(e => e.TryGetProperty("usage", out _)), Is.All.False);
        // What comes while the client reads goes out together; so many tokens do not all.
        Assert.That(await server.StreamAsync(Path, new { prompt = TestServer.Question, max_tokens = 200, ignore_eos = true, stream = true }), Has.Count.GreaterThan(3));
    }

    [Test]
    public async Task A_stream_tells_its_usage_at_the_end_or_all_along()
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(Path, new { prompt = TestServer.Question, max_tokens = 64, temperature = 0, stream = true, stream_options = new { include_usage = true, continuous_usage_stats = true } });
        Assert.That(events[^1].At("choices").GetArrayLength(), Is.Zero);
        var last = events[^1].At("usage", "completion_tokens").GetInt32();
        Assert.That(last, Is.GreaterThan(5));
        Assert.That(events.Select(e => e.At("usage", "completion_tokens").GetInt32()), Is.Ordered);
        Assert.That(events[^2].At("usage", "completion_tokens").GetInt32(), Is.EqualTo(last));
    }

    [Test]
    public async Task A_stream_of_several_prompts_has_a_choice_for_each()
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(Path, new { prompt = new[] { "What is 2 plus 2?", TestServer.Question }, max_tokens = 64, temperature = 0, stream = true, echo = true, stream_options = new { include_usage = true } });
        var texts = Enumerable.Range(0, 2).Select(i => string.Concat(events[..^1].Select(e => e.At("choices", 0)).Where(c => c.At("index").GetInt32() == i).Select(c => c.Text("text")))).ToArray();
        Assert.That(texts, Is.EqualTo(new[] { "What is 2 plus 2? 2 plus 2 is 4.", TestServer.Question + TestServer.Answer }));
        Assert.That(events[..^1].Count(e => e.Text("choices", 0, "finish_reason") == "stop"), Is.EqualTo(2));
    }

    [Test]
    public async Task An_engine_without_a_tokenizer_takes_and_gives_tokens()
    {
        int[] ids;
        await using (var server = await TestServer.StartAsync()) ids = server.Engine.Tokenizer!.Encode(TestServer.Question);
        await using var bare = await TestServer.StartAsync(null, new() { Model = TestServer.TinyGemma, SkipTokenizerInit = true, NumThreads = 1, NumKvBlocks = 256 });
        var answer = await bare.PostAsync(Path, new { prompt = ids, max_tokens = 64, temperature = 0, return_token_ids = true });
        Assert.That(answer.At("choices", 0, "token_ids").GetArrayLength(), Is.GreaterThan(5));
        Assert.That(answer.Text("choices", 0, "text"), Is.Empty);
        foreach (var (path, body, field) in new (string, object, string)[]
        {
            (Path, new { prompt = ids, echo = true }, "echo"), ("/detokenize", new { tokens = ids }, "tokens"), (Path, new { prompt = ids, guided_regex = "a" }, "structured_outputs"),
        }) Assert.That((await bare.ErrorAsync(path, body)).Text("param"), Is.EqualTo(field));
        Assert.That((await bare.ErrorAsync(Path, new { prompt = "text" })).Text("message"), Does.Contain("token ids"));
        Assert.That((await bare.ErrorAsync("/v1/chat/completions", new { messages = new[] { new { role = "user", content = "hi" } } })).Text("message"), Does.Contain("tokenizer"));
    }
}
