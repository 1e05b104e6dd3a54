using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>All that a request comes to is the same alone and in a crowd that is preempted, chunked, cached and guessed ahead of.</summary>
[TestFixture]
public sealed class OutputInvarianceTests
{
    [Test]
    public async Task Random_requests_come_to_the_same_alone_and_in_a_crowd([Values(1, 2)] int seed)
    {
        var random = new Random(seed);
        var requests = Enumerable.Range(0, 24).Select(_ => NewRequest(random)).ToArray();
        await using var roomy = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 256, EnablePrefixCaching = false });
        var alone = new List<string>();
        foreach (var (prompt, parameters) in requests) alone.Add(await OutcomeAsync(roomy, prompt, parameters));
        await using var crowded = new LlmEngine(new EngineOptions
        {
            Model = TestModels.TinyGemma, NumThreads = 2, NumKvBlocks = 14, MaxModelLength = 200, MaxNumBatchedTokens = 40, MaxNumSequences = 12,
            SpeculativeConfig = new SpeculativeConfig { NumSpeculativeTokens = 3, PromptLookupMin = 1, PromptLookupMax = 3 },
        });
        var together = await Task.WhenAll(requests.Select(r => OutcomeAsync(crowded, r.Prompt, r.Parameters)));
        Assert.Multiple(() =>
        {
            for (var i = 0; i < requests.Length; i++) Assert.That(together[i], Is.EqualTo(alone[i]), $"{requests[i].Parameters}");
            Assert.That(crowded.Stats.Preemptions, Is.Positive);
            Assert.That(crowded.Stats.PrefixCacheHits, Is.Positive);
            Assert.That(crowded.Stats.SpecDecodeAcceptedTokens, Is.Positive);
            Assert.That(crowded.Stats.KvCacheUsage, Is.Zero);
        });
    }

    private static (int[] Prompt, SamplingParams? Parameters) NewRequest(Random random)
    {
        int[] prompt = [.. Enumerable.Range(100, random.Next(3) * 20), .. Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(10, 60))];
        if (random.Next(6) == 0) return (prompt, null);
        var greedy = random.Next(3) == 0;
        var n = greedy ? 1 : random.Next(1, 4);
        return (prompt, new SamplingParams
        {
            Temperature = greedy ? 0 : 0.5 + random.NextDouble(),
            N = n,
            BestOf = !greedy && random.Next(4) == 0 ? n + 1 : null,
            Seed = random.Next(1000),
            MaxTokens = random.Next(1, 30),
            MinTokens = random.Next(2),
            IgnoreEos = random.Next(2) == 0,
            TopP = random.Next(2) == 0 ? 0.9 : 1,
            TopK = random.Next(2) == 0 ? 20 : 0,
            RepetitionPenalty = random.Next(2) == 0 ? 1.2 : 1,
            PresencePenalty = random.Next(3) == 0 ? 0.5 : 0,
            FrequencyPenalty = random.Next(3) == 0 ? -0.5 : 0,
            LogitBias = random.Next(3) == 0 ? new Dictionary<int, float> { [random.Next(200)] = 3 } : null,
            BadWords = random.Next(3) == 0 ? ["the", "is"] : [],
            Stop = random.Next(4) == 0 ? ["e"] : [],
            Logprobs = random.Next(2) == 0 ? random.Next(4) : null,
            PromptLogprobs = random.Next(3) == 0 ? random.Next(3) : null,
            OutputKind = OutputKind.FinalOnly,
        });
    }

    /// <summary>Everything in writing, floats by their bits. A request without parameters is for an embedding.</summary>
    private static async Task<string> OutcomeAsync(LlmEngine engine, int[] prompt, SamplingParams? parameters)
    {
        if (parameters is null) return string.Join(' ', (await engine.EmbedAsync(prompt)).Embedding.ToArray().Select(BitConverter.SingleToInt32Bits));
        var output = await engine.CompleteAsync(prompt, parameters);
        var lines = output.Outputs.Select(o =>
            $"{o.Index} {o.Text} [{string.Join(' ', o.TokenIds)}] {o.FinishReason} {o.StopReason} {o.CumulativeLogprob:R} {string.Join(' ', (o.Logprobs ?? []).Select(Write))}");
        return string.Join('\n', lines.Append(string.Join(' ', (output.PromptLogprobs ?? []).Select(Write))));
    }

    private static string Write(PositionLogprobs? position) => position is null
        ? "-"
        : string.Join(',', position.Top.Prepend(position.Token).Select(t => $"{t.TokenId}:{t.Rank}:{BitConverter.SingleToInt32Bits(t.Logprob)}:{t.DecodedToken}"));
}
