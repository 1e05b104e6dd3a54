using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Tests.Sampling;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>Log probabilities of prompts and outputs.</summary>
[TestFixture]
public sealed class LogprobsTests
{
    private const string Question = "What is the capital of France?";

    private LlmEngine _engine = null!;

    [OneTimeSetUp]
    public void SetUp() => _engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 2, NumKvBlocks = 256 });

    [OneTimeTearDown]
    public void TearDown() => _engine.Dispose();

    [Test]
    public async Task Of_prompts_and_outputs_they_are_what_Transformers_computes(
        [Values("llama", "gemma2", "gpt_oss", "opt")] string family, [Values(512, 7)] int chunk)
    {
        var options = new EngineOptions
        {
            Model = TestModels.Golden(family), Dtype = ModelDtype.Float32, SkipTokenizerInit = true, NumThreads = 1, NumKvBlocks = 64, MaxNumBatchedTokens = chunk,
        };
        await using var engine = new LlmEngine(options);
        using var json = TestModels.ReadJson(options.Model, "expected.json");
        using var tensors = SafetensorsFile.Open(Path.Combine(options.Model, "expected.safetensors"));
        var number = 0;
        foreach (var item in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            var prompt = item.GetProperty("prompt").Ints();
            var logits = tensors.Tensors[$"logits.{number++}"];
            var parameters = new SamplingParams { Temperature = 0, MaxTokens = 1, IgnoreEos = true, Logprobs = 3, PromptLogprobs = 3 };
            var output = await engine.CompleteAsync(prompt, parameters);
            var positions = new List<PositionLogprobs?>([.. output.PromptLogprobs!, .. output.Outputs[0].Logprobs!]);
            Assert.That(positions, Has.Count.EqualTo(prompt.Length + 1));
            Assert.That(positions[0], Is.Null);
            for (var row = 0; row < prompt.Length; row++)
            {
                var values = new float[logits.Columns];
                logits.ReadRow(row, values);
                var expected = LogSoftmaxTests.Reference(values);
                var actual = positions[row + 1]!;
                var token = row + 1 < prompt.Length ? prompt[row + 1] : output.TokenIds[0];
                Assert.That(actual.Token.TokenId, Is.EqualTo(token));
                Assert.That(actual.Token.Logprob, Is.EqualTo(expected[token]).Within(5e-3));
                Assert.That(actual.Token.DecodedToken, Is.Null);
                Assert.That(actual.Top.Select(t => t.Rank), Is.EqualTo(new[] { 1, 2, 3 }));
                var best = expected.OrderDescending().ToArray();
                for (var i = 0; i < 3; i++)
                {
                    Assert.That(actual.Top[i].Logprob, Is.EqualTo(best[i]).Within(5e-3));
                    Assert.That(actual.Top[i].Logprob, Is.EqualTo(expected[actual.Top[i].TokenId]).Within(5e-3));
                }
            }
        }
    }

    [Test]
    public async Task They_change_no_token_and_are_the_same_in_any_company_and_however_outputs_come()
    {
        var plain = new SamplingParams { Temperature = 1.2, Seed = 5, MaxTokens = 30, IgnoreEos = true, RepetitionPenalty = 1.1 };
        var parameters = plain with { Logprobs = 4, PromptLogprobs = 2 };
        var without = await _engine.CompleteAsync(Question, plain);
        var alone = await _engine.CompleteAsync(Question, parameters);
        Assert.That(alone.TokenIds, Is.EqualTo(without.TokenIds));
        Assert.That((without.Outputs[0].Logprobs, without.Outputs[0].CumulativeLogprob, without.PromptLogprobs), Is.EqualTo(((object?)null, (double?)null, (object?)null)));

        await using var crowded = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 2, NumKvBlocks = 16, MaxModelLength = 150, MaxNumBatchedTokens = 20 });
        var others = Enumerable.Range(0, 10)
            .Select(i => crowded.CompleteAsync($"Describe {i} things.", plain with { Seed = i, Logprobs = i % 2 == 0 ? i : null, PromptLogprobs = i % 3 == 0 ? 0 : null }))
            .ToArray();
        var together = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => crowded.CompleteAsync(Question, parameters)));
        await Task.WhenAll(others);
        Assert.That(crowded.Stats.Preemptions, Is.Positive);
        foreach (var output in together) AssertSame(output.Outputs[0].Logprobs!, output.PromptLogprobs!);

        var (logprobs, prompt, sum) = (new List<PositionLogprobs>(), new List<PositionLogprobs?>(), 0.0);
        await foreach (var output in _engine.GenerateAsync(Question, parameters with { OutputKind = OutputKind.Delta, StreamInterval = 4 }))
        {
            Assert.That(output.Outputs[0].Logprobs, Has.Count.EqualTo(output.TokenIds.Count));
            logprobs.AddRange(output.Outputs[0].Logprobs!);
            prompt.AddRange(output.PromptLogprobs ?? []);
            sum = output.Outputs[0].CumulativeLogprob!.Value;
        }

        AssertSame(logprobs, prompt);
        Assert.That(sum, Is.EqualTo(logprobs.Sum(p => (double)p.Token.Logprob)).Within(1e-9));
        RequestOutput last = null!;
        await foreach (var output in _engine.GenerateAsync(Question, parameters))
        {
            Assert.That(output.Outputs[0].Logprobs, Has.Count.EqualTo(output.TokenIds.Count));
            Assert.That(output.PromptLogprobs, Has.Count.EqualTo(output.PromptTokenIds.Count));
            last = output;
        }

        AssertSame(last.Outputs[0].Logprobs!, last.PromptLogprobs!);

        void AssertSame(IReadOnlyList<PositionLogprobs> output, IReadOnlyList<PositionLogprobs?> prompt)
        {
            Assert.That(output.Select(Exact), Is.EqualTo(alone.Outputs[0].Logprobs!.Select(Exact)));
            Assert.That(prompt.Select(Exact), Is.EqualTo(alone.PromptLogprobs!.Select(Exact)));
        }
    }

    [Test]
    public async Task A_prompt_in_the_prefix_cache_is_computed_anew_for_its_log_probabilities()
    {
        int[] prompt = [.. Enumerable.Range(100, 60)];
        var first = await _engine.CompleteAsync(prompt, Greedy(1));
        var second = await _engine.CompleteAsync(prompt, Greedy(1) with { PromptLogprobs = 0 });
        var third = await _engine.CompleteAsync(prompt, Greedy(1) with { SkipReadingPrefixCache = true });
        var last = await _engine.CompleteAsync(prompt, Greedy(1));
        Assert.That(new[] { first, second, third, last }.Select(o => o.Metrics.CachedTokens), Is.EqualTo(new[] { 0, 0, 0, 48 }));
        Assert.That(second.PromptLogprobs, Has.Count.EqualTo(60));
        Assert.That((await _engine.CompleteAsync(new[] { 5 }, Greedy(1) with { PromptLogprobs = 1 })).PromptLogprobs, Is.EqualTo(new PositionLogprobs?[] { null }));
    }

    [Test]
    public async Task Tokens_come_with_the_text_that_they_add()
    {
        var output = await _engine.CompleteAsync(Question, Greedy(24) with { Logprobs = 2, PromptLogprobs = 0, SkipSpecialTokens = false });
        var text = string.Concat(output.Outputs[0].Logprobs!.Select(p => p.Token.DecodedToken));
        Assert.That(text, Does.StartWith(output.Text).And.Contains("Paris"));
        Assert.That(output.Outputs[0].Logprobs!.Select(p => p.Top[0].DecodedToken), Is.EqualTo(output.Outputs[0].Logprobs!.Select(p => p.Token.DecodedToken)), "greedy tokens are the likeliest");
        Assert.That(string.Concat(output.PromptLogprobs!.Skip(1).Select(p => p!.Token.DecodedToken)), Is.EqualTo(Question));

        // ▁ of the vocabulary aside, "☂" is three tokens of a byte each: only the last one finishes the character.
        var ids = _engine.Tokenizer!.Encode("☂☂", addSpecialTokens: false);
        var bytes = await _engine.CompleteAsync((int[])[2, .. ids], Greedy(1) with { PromptLogprobs = 0 });
        Assert.That(string.Concat(bytes.PromptLogprobs!.Skip(1).Select(p => p!.Token.DecodedToken)).TrimStart(), Is.EqualTo("☂☂"));
        Assert.That((await _engine.CompleteAsync(Question, Greedy(1) with { Logprobs = 0, Detokenize = false })).Outputs[0].Logprobs![0].Token.DecodedToken, Is.Null);
    }

    [Test]
    public async Task Counts_are_bounded_by_max_logprobs_and_named_tokens_are_scored()
    {
        await using var all = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 64, MaxLogprobs = -1 });
        var whole = (await all.CompleteAsync(Question, Greedy(2) with { Logprobs = -1 })).Outputs[0].Logprobs![0];
        Assert.That(whole.Top, Has.Count.EqualTo(all.VocabularySize));
        Assert.That(whole.Top.Sum(t => Math.Exp(t.Logprob)), Is.EqualTo(1).Within(1e-5));
        var named = (await _engine.CompleteAsync(Question, Greedy(2) with { LogprobTokenIds = [9, 4] })).Outputs[0].Logprobs![0];
        Assert.That(named.Top.Select(t => (t.TokenId, t.Rank)), Is.EqualTo(new[] { 9, 4 }.Select(id => (id, whole.Top.Single(t => t.TokenId == id).Rank))));
        await AssertInvalidAsync(Greedy(1) with { Logprobs = 21 }, "Requested sample logprobs of 21, which is greater than max allowed: 20");
        await AssertInvalidAsync(Greedy(1) with { PromptLogprobs = -1 }, "Requested prompt logprobs of");
        await AssertInvalidAsync(Greedy(1) with { Logprobs = -2 }, "logprobs must be non-negative or -1");
        await AssertInvalidAsync(Greedy(1) with { LogprobTokenIds = [99999] }, "99999 in logprob_token_ids");
    }

    private static string Exact(PositionLogprobs? p) => p is null
        ? "-"
        : string.Join(' ', p.Top.Prepend(p.Token).Select(t => $"{t.TokenId}:{t.Rank}:{BitConverter.SingleToInt32Bits(t.Logprob)}:{t.DecodedToken}"));

    private static SamplingParams Greedy(int maxTokens) => new() { Temperature = 0, MaxTokens = maxTokens };

    private async Task AssertInvalidAsync(SamplingParams parameters, string message)
    {
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => _engine.CompleteAsync(Question, parameters));
        Assert.That(error!.Message, Does.Contain(message));
    }
}
