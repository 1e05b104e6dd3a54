using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Tokenizers;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>The engine as its users see it, on the trained tiny model.</summary>
[TestFixture]
public sealed class LlmEngineTests
{
    private const string Question = "What is the capital of France?";

    private LlmEngine _engine = null!;

    [OneTimeSetUp]
    public void SetUp() => _engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 512 });

    [OneTimeTearDown]
    public void TearDown() => _engine.Dispose();

    [Test]
    public async Task Cumulative_outputs_grow_and_deltas_add_up_to_the_whole()
    {
        var whole = await _engine.CompleteAsync(Question, Greedy(40));
        Assert.That(whole.Text, Does.Contain("Paris"));
        var last = "";
        await foreach (var output in _engine.GenerateAsync(Question, Greedy(40)))
        {
            Assert.That(output.Text, Does.StartWith(last));
            last = output.Text;
        }

        Assert.That(last, Is.EqualTo(whole.Text));
        var (text, ids) = ("", new List<int>());
        await foreach (var output in _engine.GenerateAsync(Question, Greedy(40) with { OutputKind = OutputKind.Delta }))
        {
            text += output.Text;
            ids.AddRange(output.TokenIds);
        }

        Assert.That(text, Is.EqualTo(whole.Text));
        Assert.That(ids, Is.EqualTo(whole.TokenIds));
    }

    [Test]
    public async Task A_stop_string_ends_the_text_and_is_never_shown()
    {
        var parameters = Greedy(40) with { Stop = ["Paris", "xyz"] };
        var seen = new List<string>();
        RequestOutput last = null!;
        await foreach (var output in _engine.GenerateAsync(Question, parameters))
        {
            seen.Add(output.Text);
            last = output;
        }

        Assert.Multiple(() =>
        {
            Assert.That(seen, Has.All.Not.Contains("P"));
            Assert.That(last.FinishReason, Is.EqualTo("stop"));
            Assert.That(last.StopReason, Is.EqualTo("Paris"));
        });
        var kept = await _engine.CompleteAsync(Question, parameters with { IncludeStopStringInOutput = true });
        Assert.That(kept.Text, Is.EqualTo(last.Text + "Paris"));
    }

    [Test]
    public async Task A_stop_token_ends_the_text_with_its_id_as_the_reason()
    {
        var whole = await _engine.CompleteAsync(Question, Greedy(40));
        var stop = whole.TokenIds[2];
        var output = await _engine.CompleteAsync(Question, Greedy(40) with { StopTokenIds = [stop] });
        Assert.Multiple(() =>
        {
            Assert.That(output.TokenIds, Is.EqualTo(whole.TokenIds.Take(3)));
            Assert.That(output.Text, Is.EqualTo(_engine.Tokenizer!.Decode([.. whole.TokenIds.Take(2)])).Or.EqualTo(whole.Text[..output.Text.Length]));
            Assert.That(output.StopReason, Is.EqualTo(stop));
        });
    }

    [Test]
    public async Task Max_tokens_ends_with_length_and_ignore_eos_goes_on_to_it()
    {
        var shorter = await _engine.CompleteAsync(Question, Greedy(3));
        Assert.That((shorter.FinishReason, shorter.TokenIds.Count), Is.EqualTo(("length", 3)));
        var longer = await _engine.CompleteAsync(Question, Greedy(60) with { IgnoreEos = true });
        Assert.That((longer.FinishReason, longer.TokenIds.Count), Is.EqualTo(("length", 60)));
    }

    [Test]
    public async Task Min_tokens_puts_the_end_off()
    {
        var output = await _engine.CompleteAsync(Question, Greedy(60) with { MinTokens = 40 });
        Assert.That(output.TokenIds, Has.Count.GreaterThanOrEqualTo(40));
        Assert.That(output.TokenIds.Take(40), Has.None.EqualTo(1).And.None.EqualTo(5));
    }

    [Test]
    public async Task Without_max_tokens_a_text_may_fill_the_context()
    {
        var output = await _engine.CompleteAsync(Question, Greedy(null) with { IgnoreEos = true });
        Assert.That(output.FinishReason, Is.EqualTo("length"));
        Assert.That(output.PromptTokenIds.Count + output.TokenIds.Count, Is.EqualTo(_engine.MaxModelLength));
    }

    [Test]
    public async Task Metrics_say_what_happened()
    {
        await _engine.CompleteAsync(Enumerable.Range(10, 100).ToArray(), Greedy(2));
        var output = await _engine.CompleteAsync(Enumerable.Range(10, 100).ToArray(), Greedy(5));
        var metrics = output.Metrics;
        Assert.Multiple(() =>
        {
            Assert.That(metrics.PromptTokens, Is.EqualTo(100));
            Assert.That(metrics.CachedTokens, Is.EqualTo(96));
            Assert.That(metrics.OutputTokens, Is.EqualTo(output.TokenIds.Count));
            Assert.That(metrics.QueueTime <= metrics.TimeToFirstToken);
            Assert.That(metrics.TimeToFirstToken, Is.LessThanOrEqualTo(metrics.TotalTime));
            Assert.That(metrics.MeanBatchSize, Is.GreaterThanOrEqualTo(1));
            Assert.That(metrics.Steps, Is.EqualTo(output.TokenIds.Count));
        });
    }

    [Test]
    public void Cancellation_ends_the_loading()
    {
        using var giveUp = new CancellationTokenSource();
        var options = new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 4, Log = _ => giveUp.Cancel() };
        Assert.That(() => LlmEngine.LoadAsync(options, giveUp.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Cancellation_aborts_the_request_and_frees_its_blocks()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 128 });
        using var source = new CancellationTokenSource();
        var outputs = engine.GenerateAsync(Question, Greedy(null) with { IgnoreEos = true }, cancellationToken: source.Token);
        await Assert.CatchAsync<OperationCanceledException>(async () =>
        {
            await foreach (var output in outputs) await source.CancelAsync();
        });

        // A later request is served after the abort.
        await engine.CompleteAsync(Question, Greedy(1));
        Assert.That(engine.Stats.RunningRequests + engine.Stats.WaitingRequests, Is.Zero);
    }

    [Test]
    public async Task Abort_by_id_ends_the_stream_with_what_there_is()
    {
        RequestOutput last = null!;
        await foreach (var output in _engine.GenerateAsync(Question, Greedy(null) with { IgnoreEos = true }, requestId: "mine"))
        {
            last = output;
            _engine.Abort("mine");
        }

        Assert.That((last.Finished, last.FinishReason), Is.EqualTo((true, "abort")));
        _engine.Abort("mine");
    }

    [Test]
    public async Task A_wrong_request_fails_alone_with_a_clear_message()
    {
        var good = _engine.CompleteAsync(Question, Greedy(20));
        var length = _engine.MaxModelLength;
        await AssertInvalidAsync(_engine.CompleteAsync(new int[2000], Greedy(1)), $"maximum context length is {length} tokens. However, the prompt has 2000 tokens");
        await AssertInvalidAsync(_engine.CompleteAsync(new int[length], Greedy(1)), "maximum context length");
        await AssertInvalidAsync(_engine.CompleteAsync(Array.Empty<int>(), Greedy(1)), "cannot be empty");
        await AssertInvalidAsync(_engine.CompleteAsync(new[] { 5, 99999 }, Greedy(1)), "99999 is out of vocabulary");
        await AssertInvalidAsync(_engine.CompleteAsync(new[] { -1 }, Greedy(1)), "-1 is out of vocabulary");
        await AssertInvalidAsync(_engine.CompleteAsync(Question, Greedy(1) with { Temperature = 3 }), "temperature");
        await AssertInvalidAsync(_engine.CompleteAsync(Question, Greedy(1) with { AllowedTokenIds = [999_999] }), "999999 in allowed_token_ids contain out-of-vocab");
        Assert.That((await good).Text, Does.Contain("Paris"));
    }

    [Test]
    public async Task An_id_in_use_is_refused()
    {
        await foreach (var output in _engine.GenerateAsync(Question, Greedy(5), requestId: "twice"))
        {
            if (!output.Finished) await AssertInvalidAsync(_engine.CompleteAsync(Question, Greedy(1), requestId: "twice"), "twice is in use");
        }
    }

    [Test]
    public async Task Seeded_samples_are_the_same_in_any_company()
    {
        var parameters = new SamplingParams { Temperature = 1.5, Seed = 7, MaxTokens = 40, IgnoreEos = true, TopP = 0.95 };
        var alone = await _engine.CompleteAsync(Question, parameters);
        await using var crowded = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 2, NumKvBlocks = 20, MaxModelLength = 200, MaxNumBatchedTokens = 16 });
        var others = Enumerable.Range(0, 12).Select(i => crowded.CompleteAsync($"Describe {i} things.", parameters with { Seed = i })).ToArray();
        var together = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => crowded.CompleteAsync(Question, parameters)));
        await Task.WhenAll(others);
        Assert.That(together.Select(o => o.TokenIds), Is.All.EqualTo(alone.TokenIds));
        Assert.That(crowded.Stats.Preemptions, Is.Positive);
    }

    [Test]
    public async Task A_seed_of_the_engine_makes_requests_without_one_reproducible()
    {
        var outputs = new List<IReadOnlyList<int>>();
        for (var i = 0; i < 2; i++)
        {
            await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 64, Seed = 3 });
            outputs.Add((await engine.CompleteAsync(Question, new SamplingParams { Temperature = 2, MaxTokens = 30, IgnoreEos = true })).TokenIds);
        }

        Assert.That(outputs[0], Is.EqualTo(outputs[1]));
    }

    [Test]
    public async Task A_disposed_engine_ends_its_requests_and_takes_no_more()
    {
        var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 64 });
        var running = engine.CompleteAsync(Question, Greedy(null) with { IgnoreEos = true });
        await engine.DisposeAsync();
        await Assert.ThrowsAsync<EngineDeadException>(() => running);
        await Assert.ThrowsAsync<EngineDeadException>(() => engine.CompleteAsync(Question, Greedy(1)));
        Assert.That(engine.IsAlive, Is.False);
        await engine.DisposeAsync();
        engine.Dispose();
    }

    [Test]
    public async Task Without_a_tokenizer_prompts_are_tokens_and_there_is_no_text()
    {
        using var model = new TemporaryModel(TestModels.Golden("gemma"));
        Assert.Throws<TokenizerException>(() => new LlmEngine(new EngineOptions { Model = model.Folder, NumKvBlocks = 64 }));
        await using var engine = new LlmEngine(new EngineOptions { Model = model.Folder, NumKvBlocks = 64, SkipTokenizerInit = true });
        var output = await engine.CompleteAsync(new[] { 213 }, Greedy(4) with { IgnoreEos = true });
        Assert.That(output.TokenIds, Is.EqualTo(new[] { 145, 145, 145, 145 }));
        Assert.That(output.Text, Is.Empty);
        await AssertInvalidAsync(engine.CompleteAsync(Question), "give the prompt as token ids");
        await AssertInvalidAsync(engine.BeamSearchAsync(Question, new() { BeamWidth = 1, MaxTokens = 1 }), "give the prompt as token ids");
        await AssertInvalidAsync(engine.CompleteAsync(new[] { 213 }, Greedy(4) with { Stop = ["a"] }), "needs a tokenizer");
    }

    [Test]
    public async Task Requests_share_the_cache_with_those_of_their_salt_alone()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumKvBlocks = 64, NumThreads = 1 });
        int[] prompt = [.. Enumerable.Range(50, 40)];
        foreach (var (salt, cached) in new (string?, int)[] { (null, 0), ("a", 0), ("b", 0), (null, 32), ("a", 32), ("b", 32), ("ab", 0) })
        {
            var output = await engine.CompleteAsync(prompt, Greedy(2) with { CacheSalt = salt });
            Assert.That(output.Metrics.CachedTokens, Is.EqualTo(cached), salt);
            Assert.That((await engine.EmbedAsync(prompt, new PoolingParams { CacheSalt = salt })).Metrics.CachedTokens, Is.EqualTo(32), salt);
            var before = engine.Stats.PrefixCacheHits;
            await engine.BeamSearchAsync(prompt, new BeamSearchParams { BeamWidth = 1, MaxTokens = 1, CacheSalt = salt });
            Assert.That(engine.Stats.PrefixCacheHits - before, Is.EqualTo(32), salt);
        }

        Assert.That((await engine.EmbedAsync(prompt, new PoolingParams { CacheSalt = "c" })).Metrics.CachedTokens, Is.Zero);
        await AssertInvalidAsync(engine.CompleteAsync(prompt, Greedy(2) with { CacheSalt = "" }), "cache_salt must have 1 to 1024 characters, got 0");
        Assert.That(SamplingParams.FromDictionary(new Dictionary<string, object?> { ["cache_salt"] = "x" }).CacheSalt, Is.EqualTo("x"));
    }

    [Test]
    public async Task More_tokens_than_the_context_has_left_cannot_be_the_least()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumKvBlocks = 64, NumThreads = 1, MaxModelLength = 64 });
        int[] prompt = [.. Enumerable.Range(50, 40)];
        await AssertInvalidAsync(engine.CompleteAsync(prompt, Greedy(null) with { MinTokens = 25 }), "min_tokens must be less than or equal to max_tokens=24");
        Assert.That((await engine.CompleteAsync(prompt, Greedy(null) with { MinTokens = 24 })).TokenIds, Has.Count.EqualTo(24));
    }

    [Test]
    public async Task A_prompt_becomes_tokens_where_its_outputs_are_enumerated()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumKvBlocks = 64, NumThreads = 1 });
        var outputs = engine.GenerateAsync((string)null!, Greedy(2));
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await outputs.GetAsyncEnumerator().MoveNextAsync());
        var again = engine.GenerateAsync(Question, Greedy(2) with { OutputKind = OutputKind.FinalOnly });
        Assert.That(engine.Stats.FinishedRequests, Is.Zero);
        for (var i = 0; i < 2; i++) await foreach (var output in again) Assert.That(output.TokenIds, Has.Count.EqualTo(2));
        Assert.That(engine.Stats.FinishedRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task A_text_that_cannot_fit_is_refused_before_it_is_made_tokens_of()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumKvBlocks = 64, NumThreads = 1 });
        var text = new string('a', 1 << 20);
        await AssertInvalidAsync(engine.CompleteAsync(text), "1048576 characters, which are more tokens than that");
        await AssertInvalidAsync(engine.BeamSearchAsync(text, new() { BeamWidth = 1, MaxTokens = 1 }), "1048576 characters");
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => engine.EmbedAsync(text));
        Assert.That(error!.Message, Does.Contain("1048576 characters"));
        Assert.That(error.Field, Is.EqualTo("prompt"));
        var cut = await engine.CompleteAsync(text, Greedy(2) with { TruncatePromptTokens = 5 });
        Assert.That(cut.PromptTokenIds, Has.Count.EqualTo(5));
    }

    [Test]
    public void Options_that_cannot_be_are_refused()
    {
        var options = new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1 };
        Assert.Multiple(() =>
        {
            Assert.That(() => new LlmEngine(options with { BlockSize = 10 }), Throws.ArgumentException.With.Message.Contains("block_size"));
            Assert.That(() => new LlmEngine(options with { MaxNumSequences = 0 }), Throws.ArgumentException.With.Message.Contains("max_num_seqs"));
            Assert.That(() => new LlmEngine(options with { MaxModelLength = 1025 }), Throws.ArgumentException.With.Message.Contains("max_position_embeddings=1024"));
            Assert.That(() => new LlmEngine(options with { MaxModelLength = 1000, NumKvBlocks = 5 }), Throws.ArgumentException.With.Message.Contains("max_model_len"));
        });
    }

    private static SamplingParams Greedy(int? maxTokens) => new() { Temperature = 0, MaxTokens = maxTokens };

    private static async Task AssertInvalidAsync(Task<RequestOutput> task, string message)
    {
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => task);
        Assert.That(error!.Message, Does.Contain(message));
    }
}
