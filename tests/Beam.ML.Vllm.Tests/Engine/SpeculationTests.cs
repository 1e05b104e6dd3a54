using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.Tests.Engine.Fakes;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>Drafts change how many steps there are, and nothing else.</summary>
[TestFixture]
public sealed class SpeculationTests
{
    private static readonly SpeculativeConfig Config = new() { NumSpeculativeTokens = 4, PromptLookupMax = 3, PromptLookupMin = 1 };

    private static readonly SamplingParams Greedy = new() { Temperature = 0, MaxTokens = 100, IgnoreEos = true };

    [Test]
    public void A_text_that_repeats_itself_takes_fewer_steps()
    {
        using var plain = new CoreHarness(new PagedFakeRunner(64), new EngineOptions { Model = "fake" });
        using var drafting = new CoreHarness(new PagedFakeRunner(64), new EngineOptions { Model = "fake", SpeculativeConfig = Config });
        var request = new CoreRequest([3, 1, 4], Greedy);
        Assert.That(drafting.Run(request)[0], Is.EqualTo(plain.Run(request)[0]));
        EngineStats with = drafting.Core.Stats(), without = plain.Core.Stats();
        Assert.Multiple(() =>
        {
            Assert.That(without.Steps, Is.EqualTo(100));
            Assert.That(with.Steps, Is.LessThan(70));
            Assert.That(with.GenerationTokens, Is.EqualTo(100));
            Assert.That(with.Steps + with.SpecDecodeAcceptedTokens, Is.EqualTo(100));
            Assert.That(with.SpecDecodeDraftTokens, Is.InRange(with.SpecDecodeAcceptedTokens, 4 * with.SpecDecodeDrafts));
            Assert.That(with.SpecDecodeAcceptanceRate, Is.InRange(0.2, 1));
            Assert.That(without.SpecDecodeDrafts, Is.Zero);
        });
    }

    [Test]
    public void A_text_ends_where_it_would_without_drafts()
    {
        foreach (var parameters in new[]
        {
            Greedy with { MaxTokens = 1 }, Greedy with { MaxTokens = 2 }, Greedy with { MaxTokens = 7 }, Greedy with { IgnoreEos = false },
            Greedy with { StopTokenIds = [1, 2, 5, 9] }, Greedy with { StopTokenIds = [1, 2, 5, 9], MinTokens = 20 }, Greedy with { MaxTokens = null },
        })
        {
            for (var start = 0; start < PagedFakeRunner.Vocabulary; start++)
            {
                using var drafting = new CoreHarness(new PagedFakeRunner(64, maxModelLength: 64), new EngineOptions { Model = "fake", SpeculativeConfig = Config }, 6, 7);
                int[] prompt = [start, 1, 2, start, 1, 2, start];
                Assert.That(drafting.Run(new CoreRequest(prompt, parameters))[0], Is.EqualTo(PagedFakeRunner.Alone(prompt, parameters, null, [6, 7], 64)));
                Assert.That(drafting.Core.Blocks.FreeBlocks, Is.EqualTo(64));
            }
        }
    }

    [Test]
    public void Drafts_leave_the_budget_to_those_who_come_after()
    {
        using var core = new CoreHarness(new PagedFakeRunner(64), new EngineOptions { Model = "fake", MaxNumBatchedTokens = 6, SpeculativeConfig = Config });
        var sequences = Enumerable.Range(0, 6).Select(i => core.Add(new CoreRequest([i, i, i], Greedy with { MaxTokens = 30 }))).ToArray();
        while (sequences.Any(s => s.OutputLength == 0)) core.Core.Step();
        while (core.Core.Scheduler.Running.Count == 6)
        {
            var before = sequences.Select(s => s.OutputLength).ToArray();
            core.Core.Step();
            for (var i = 0; i < sequences.Length; i++) Assert.That(sequences[i].OutputLength, Is.GreaterThan(before[i]));
        }
    }

    [Test]
    public async Task A_trained_model_says_the_same_with_and_without_drafts()
    {
        var options = new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 256 };
        await using var plain = new LlmEngine(options);
        await using var drafting = new LlmEngine(options with { SpeculativeConfig = Config, MaxNumSequences = 8 });
        var requests = Enumerable.Range(0, 12).Select(i => (
            Prompt: $"Describe {i % 5} things. Describe {i % 3} things.",
            Parameters: new SamplingParams
            {
                MaxTokens = 48, IgnoreEos = i % 2 == 0, Temperature = i % 3 == 0 ? 0 : 0.7, Seed = i, TopP = 0.9,
                RepetitionPenalty = i % 4 == 0 ? 1.2 : 1, Stop = i % 6 == 5 ? ["the"] : [],
                Logprobs = i % 3 == 1 ? 4 : null,
                StructuredOutputs = (i % 5) switch
                {
                    1 => new StructuredOutputsParams { Regex = "( [a-c]{1,3}){12}" },
                    2 => new StructuredOutputsParams { Choice = ["Paris, Paris, Paris, Paris", "Rome, Rome, Rome, Rome, Rome"] },
                    _ => null,
                },
            })).ToArray();
        var expected = await Task.WhenAll(requests.Select(r => plain.CompleteAsync(r.Prompt, r.Parameters)));
        var actual = await Task.WhenAll(requests.Select(r => drafting.CompleteAsync(r.Prompt, r.Parameters)));
        Assert.That(actual.Select(o => (o.Text, o.FinishReason)), Is.EqualTo(expected.Select(o => (o.Text, o.FinishReason))));
        Assert.That(actual.Select(o => o.TokenIds), Is.EqualTo(expected.Select(o => o.TokenIds)));
        Assert.That(actual.Select(Logprobs), Is.EqualTo(expected.Select(Logprobs)));
        Assert.That(actual.Count(o => Logprobs(o).Length > 0), Is.EqualTo(4));
        Assert.That(drafting.Stats.SpecDecodeAcceptedTokens, Is.GreaterThan(20));
    }

    /// <summary>What a small model says when it may not stop.</summary>
    [Test]
    public async Task Text_that_goes_in_circles_comes_several_tokens_a_step()
    {
        var options = new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 256 };
        var tokensPerStep = new List<double>();
        foreach (var speculation in new[] { null, new SpeculativeConfig { NumSpeculativeTokens = 5, PromptLookupMax = 4, PromptLookupMin = 2 } })
        {
            await using var engine = new LlmEngine(options with { SpeculativeConfig = speculation });
            await engine.CompleteAsync("Describe three things.", Greedy with { MaxTokens = 250 });
            var stats = engine.Stats;
            tokensPerStep.Add((double)stats.GenerationTokens / stats.Steps);
            await TestContext.Out.WriteLineAsync($"{tokensPerStep[^1]:f2} tokens a step, {stats.SpecDecodeAcceptanceRate:p0} of {stats.SpecDecodeDraftTokens} drafted tokens accepted");
        }

        Assert.That(tokensPerStep[0], Is.EqualTo(1));
        Assert.That(tokensPerStep[1], Is.GreaterThan(1.3));
    }

    private static (int, float, int)[] Logprobs(RequestOutput output) =>
        [.. (output.Outputs[0].Logprobs ?? []).Select(p => p.Token).Select(t => (t.TokenId, t.Logprob, t.Rank))];

    [Test]
    public void The_configuration_is_read_from_json_and_checked()
    {
        Assert.That(
            SpeculativeConfig.Parse("""{"method":"ngram","num_speculative_tokens":5,"prompt_lookup_max":4,"prompt_lookup_min":2}"""),
            Is.EqualTo(new SpeculativeConfig { NumSpeculativeTokens = 5, PromptLookupMax = 4, PromptLookupMin = 2 }));
        var defaults = SpeculativeConfig.Parse("""{"num_speculative_tokens":5}""");
        Assert.That((defaults.Shortest, defaults.Longest), Is.EqualTo((5, 5)));
        foreach (var (json, words) in new[]
        {
            ("{}", "num_speculative_tokens"), ("[]", "JSON object"), ("{", "not valid JSON"), ("""{"num_speculative_tokens":0}""", "[1, 128]"),
            ("""{"method":"eagle","num_speculative_tokens":1}""", "must be ngram"), ("""{"model":"x","num_speculative_tokens":1}""", "model"),
            ("""{"num_speculative_tokens":1,"prompt_lookup_max":2,"prompt_lookup_min":3}""", "[1, 2]"), ("""{"num_speculative_tokens":1.5}""", "whole number"),
        })
        {
            Assert.That(() => SpeculativeConfig.Parse(json), Throws.ArgumentException.With.Message.Contains(words), json);
        }

        Assert.That(() => new EngineOptions { Model = "m", SpeculativeConfig = Config with { NumSpeculativeTokens = 999 } }.Validate(), Throws.ArgumentException);
    }
}
