using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>Several completions of one prompt, and the parameters that shape a completion.</summary>
[TestFixture]
public sealed class CompletionsTests
{
    private const string Question = "What is the capital of France?";

    private static readonly SamplingParams Seeded = new() { Temperature = 1.5, Seed = 70, MaxTokens = 24, IgnoreEos = true };

    private LlmEngine _engine = null!;

    [OneTimeSetUp]
    public void SetUp() => _engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 2, NumKvBlocks = 256 });

    [OneTimeTearDown]
    public void TearDown() => _engine.Dispose();

    [Test]
    public async Task Each_is_what_a_request_of_its_own_with_the_seed_plus_its_index_gives([Values] bool prefixCaching, [Values(24, 512)] int batchedTokens)
    {
        int[] prompt = [.. Enumerable.Range(50, 70)];
        await using var engine = new LlmEngine(new EngineOptions
        {
            Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 32, MaxModelLength = 200, MaxNumBatchedTokens = batchedTokens, EnablePrefixCaching = prefixCaching,
        });
        var together = await engine.CompleteAsync(prompt, Seeded with { N = 5, Logprobs = 1 });
        Assert.That(together.Outputs.Select(o => o.Index), Is.EqualTo(Enumerable.Range(0, 5)));
        if (prefixCaching && batchedTokens == 512) Assert.That(engine.Stats.ComputedTokens, Is.LessThan(70 + (4 * 16) + (5 * 24) + 70));
        for (var i = 0; i < 5; i++)
        {
            var alone = await engine.CompleteAsync(prompt, Seeded with { Seed = 70 + i, Logprobs = 1 });
            Assert.That(together.Outputs[i].TokenIds, Is.EqualTo(alone.TokenIds));
            Assert.That(together.Outputs[i].Text, Is.EqualTo(alone.Text));
            Assert.That(together.Outputs[i].CumulativeLogprob, Is.EqualTo(alone.Outputs[0].CumulativeLogprob));
        }

        Assert.That(together.Outputs.Select(o => o.Text).Distinct().Count(), Is.GreaterThan(1));
        Assert.That(together.Metrics.OutputTokens, Is.EqualTo(5 * 24));
        Assert.That(engine.Stats.KvCacheUsage, Is.Zero);
    }

    [Test]
    public async Task What_stopped_a_completion_is_a_string_or_a_token()
    {
        var greedy = new SamplingParams { Temperature = 0, MaxTokens = 16 };
        var whole = (await _engine.CompleteAsync(Question, greedy)).Outputs[0];
        var byString = (await _engine.CompleteAsync(Question, greedy with { Stop = [whole.Text[2..4]] })).Outputs[0];
        var byToken = (await _engine.CompleteAsync(Question, greedy with { StopTokenIds = [whole.TokenIds[1]] })).Outputs[0];
        Assert.That((whole.StopString, whole.StopTokenId), Is.EqualTo(((string?)null, (int?)null)));
        Assert.That((byString.StopString, byString.StopTokenId), Is.EqualTo((whole.Text[2..4], (int?)null)));
        Assert.That((byToken.StopString, byToken.StopTokenId), Is.EqualTo(((string?)null, whole.TokenIds[1])));
    }

    [Test]
    public async Task Pieces_carry_their_index_and_add_up_to_the_whole()
    {
        var parameters = Seeded with { N = 3, Stop = ["e"], IgnoreEos = false };
        var whole = await _engine.CompleteAsync(Question, parameters);
        var (texts, ids, reasons) = (new string[3], new List<int>[] { [], [], [] }, new string?[3]);
        await foreach (var output in _engine.GenerateAsync(Question, parameters with { OutputKind = OutputKind.Delta }))
        {
            foreach (var piece in output.Outputs)
            {
                texts[piece.Index] += piece.Text;
                ids[piece.Index].AddRange(piece.TokenIds);
                reasons[piece.Index] ??= piece.FinishReason;
            }

            Assert.That(output.Finished, Is.EqualTo(reasons.All(r => r is not null)));
        }

        Assert.That(texts, Is.EqualTo(whole.Outputs.Select(o => o.Text)));
        Assert.That(ids, Is.EqualTo(whole.Outputs.Select(o => o.TokenIds)));
        Assert.That(reasons, Is.EqualTo(whole.Outputs.Select(o => o.FinishReason)));
        RequestOutput last = null!;
        await foreach (var output in _engine.GenerateAsync(Question, parameters))
        {
            Assert.That(output.Outputs, Has.Count.EqualTo(3));
            last = output;
        }

        Assert.That(last.Outputs.Select(o => o.Text), Is.EqualTo(texts));
    }

    [Test]
    public async Task The_best_of_many_come_out_best_first()
    {
        var all = await _engine.CompleteAsync(Question, Seeded with { N = 6, Logprobs = 0 });
        var best = await _engine.CompleteAsync(Question, Seeded with { N = 2, BestOf = 6 });
        var expected = all.Outputs.OrderByDescending(o => o.CumulativeLogprob).Take(2).ToArray();
        Assert.That(best.Outputs.Select(o => o.Text), Is.EqualTo(expected.Select(o => o.Text)));
        Assert.That(best.Outputs.Select(o => (o.Index, o.Logprobs, o.CumulativeLogprob)), Is.EqualTo(new[] { 0, 1 }.Select(i => (i, (object?)null, (double?)null))));
        var scored = await _engine.CompleteAsync(Question, Seeded with { N = 2, BestOf = 6, Logprobs = 2 });
        Assert.That(scored.Outputs.Select(o => o.CumulativeLogprob), Is.EqualTo(expected.Select(o => o.CumulativeLogprob)));
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => CollectAsync(_engine.GenerateAsync(Question, Seeded with { BestOf = 2, OutputKind = OutputKind.Delta })));
        Assert.That(error!.Message, Does.Contain("cannot be streamed"));
    }

    [Test]
    public async Task An_abort_ends_all_of_them()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 512 });
        RequestOutput last = null!;
        await foreach (var output in engine.GenerateAsync(Question, Seeded with { N = 4, MaxTokens = null }, requestId: "several"))
        {
            last = output;
            engine.Abort("several");
        }

        Assert.That(last.Finished);
        Assert.That(last.Outputs.Select(o => o.FinishReason), Is.All.EqualTo("abort"));
        await engine.CompleteAsync(Question, Seeded);
        Assert.That((engine.Stats.RunningRequests, engine.Stats.WaitingRequests, engine.Stats.KvCacheUsage), Is.EqualTo((0, 0, 0.0)));
    }

    [Test]
    public async Task Bad_words_do_not_come_out_at_the_beginning_nor_in_the_midst()
    {
        var parameters = new SamplingParams { Temperature = 0, MaxTokens = 24 };
        var plain = await _engine.CompleteAsync(Question, parameters);
        Assert.That(plain.Text, Does.Contain("Paris"));
        var first = _engine.Tokenizer!.Decode([plain.TokenIds[0]]).Trim();
        Assume.That(first, Is.Not.Empty);
        var without = await _engine.CompleteAsync(Question, parameters with { BadWords = ["Paris", first] });
        Assert.That(without.Text, Does.Not.Contain("Paris"));
        Assert.That(without.TokenIds[0], Is.Not.EqualTo(plain.TokenIds[0]));
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => _engine.CompleteAsync(Question, parameters with { BadWords = [.. Enumerable.Range(0, 200).Select(i => $"w{i}")] }));
        Assert.That(error!.Message, Does.Contain("Too many bad words"));
    }

    [Test]
    public async Task A_prompt_is_truncated_from_its_beginning()
    {
        int[] prompt = [.. Enumerable.Range(10, 40)];
        var parameters = new SamplingParams { Temperature = 0, MaxTokens = 5, IgnoreEos = true };
        var cut = await _engine.CompleteAsync(prompt, parameters with { TruncatePromptTokens = 7 });
        Assert.That(cut.PromptTokenIds, Is.EqualTo(prompt[^7..]));
        Assert.That(cut.TokenIds, Is.EqualTo((await _engine.CompleteAsync(prompt[^7..], parameters)).TokenIds));
        var fitted = await _engine.CompleteAsync(Enumerable.Repeat(20, 3000).ToArray(), parameters with { TruncatePromptTokens = -1 });
        Assert.That(fitted.PromptTokenIds.Count + fitted.TokenIds.Count, Is.EqualTo(_engine.MaxModelLength));
    }

    [Test]
    public async Task Without_detokenizing_there_are_tokens_and_no_text()
    {
        var output = await _engine.CompleteAsync(Question, Seeded with { Detokenize = false });
        Assert.That((output.Text, output.TokenIds.Count), Is.EqualTo(("", 24)));
    }

    [Test]
    public async Task An_output_that_repeats_itself_ends()
    {
        var looping = new SamplingParams { Temperature = 0, MaxTokens = 40, IgnoreEos = true, AllowedTokenIds = [77] };
        var output = await _engine.CompleteAsync(Question, looping with { RepetitionDetection = new(MaxPatternSize: 4, MinPatternSize: 2, MinCount: 3) });
        Assert.That((output.FinishReason, output.StopReason, output.TokenIds.Count), Is.EqualTo(("repetition", (object)"repetition_detected", 6)));
        var later = await _engine.CompleteAsync(Question, looping with { RepetitionDetection = new(1, MinCount: 3), MinTokens = 10 });
        Assert.That((later.FinishReason, later.TokenIds.Count), Is.EqualTo(("repetition", 10)));
    }

    [Test]
    public void Choosing_a_token_takes_nothing_from_the_heap()
    {
        using var harness = new RunnerHarness(TestModels.Golden("llama"));
        var sequences = new[]
        {
            new SamplingParams { Temperature = 0, MaxTokens = 64 },
            new SamplingParams { Temperature = 1, Seed = 1, MaxTokens = 64, TopK = 10, MinP = 0.01 },
            new SamplingParams { Temperature = 1, Seed = 1, MaxTokens = 64, TopP = 0.9 },
            new SamplingParams { Temperature = 0, MaxTokens = 64, AllowedTokenIds = [.. Enumerable.Range(10, 50)] },
            new SamplingParams
            {
                Temperature = 0, MaxTokens = 64, MinTokens = 60, StopTokenIds = [4, 5], BadWordsTokenIds = [[3, 4], [6]],
                LogitBias = new Dictionary<int, float> { [7] = 1, [9] = 90 }, RepetitionPenalty = 1.0001, PresencePenalty = 0.1, FrequencyPenalty = 0.1,
            },
        }.Select((p, i) => new Sequence("s", [5, 9, 2 + i], p, new SamplerState(p, [5, 9, 2 + i]))).ToArray();
        foreach (var sequence in sequences) harness.Logits(sequence);
        Assert.That(harness.AllocatedBySampling(sequences), Is.Zero);
    }

    [Test]
    public async Task A_stream_interval_puts_tokens_together_but_for_the_first_and_the_last()
    {
        await using var enumerator = _engine.GenerateAsync(Question, Seeded with { OutputKind = OutputKind.Delta, StreamInterval = 10 }).GetAsyncEnumerator();
        var counts = new List<int>();
        while (await enumerator.MoveNextAsync()) counts.Add(enumerator.Current.TokenIds.Count);
        Assert.That(counts.Sum(), Is.EqualTo(24));
        Assert.That(counts, Has.Count.LessThanOrEqualTo(4));
    }

    [Test]
    public async Task Token_ids_that_the_model_does_not_know_are_refused()
    {
        await RefusedAsync(Seeded with { StopTokenIds = [99999] }, "99999 in stop_token_ids");
        await RefusedAsync(Seeded with { LogitBias = new Dictionary<int, float> { [99999] = 1 } }, "99999 in logit_bias");
        await RefusedAsync(Seeded with { BadWordsTokenIds = [[1, 99999]] }, "99999 in bad_words");
        await RefusedAsync(Seeded with { N = 0 }, "n must be at least 1");

        async Task RefusedAsync(SamplingParams parameters, string message)
        {
            var error = await Assert.ThrowsAsync<InvalidRequestException>(() => _engine.CompleteAsync(Question, parameters));
            Assert.That(error!.Message, Does.Contain(message));
        }
    }

    private static async Task<List<RequestOutput>> CollectAsync(IAsyncEnumerable<RequestOutput> outputs)
    {
        var all = new List<RequestOutput>();
        await foreach (var output in outputs) all.Add(output);
        return all;
    }
}
