using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>What a cache in int8 does to a trained model's answers.</summary>
[TestFixture]
public sealed class Int8CacheTests
{
    [Test]
    public async Task Answers_of_a_trained_model_stay_mostly_the_same_and_do_not_depend_on_the_batch()
    {
        using var json = TestModels.ReadJson(TestModels.GoldenFolder, "tiny_gemma.json");
        var cases = json.RootElement.GetProperty("cases").EnumerateArray().Select(c => (Prompt: c.GetProperty("prompt_ids").Ints(), Expected: c.GetProperty("output_ids").Ints())).ToArray();
        var greedy = new SamplingParams { Temperature = 0, MaxTokens = 96 };
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, KvCacheDtype = KvCacheDtype.Int8, NumThreads = 2, NumKvBlocks = 512, MaxNumSequences = 128 });
        var together = await Task.WhenAll(cases.Select(c => engine.CompleteAsync(c.Prompt, greedy)));
        Assert.That(engine.Stats.MeanBatchSize, Is.GreaterThan(2));

        var same = cases.Zip(together).Count(p => p.Second.TokenIds.SequenceEqual(p.First.Expected));
        var tokens = cases.Zip(together).Sum(p => p.First.Expected.Zip(p.Second.TokenIds).TakeWhile(t => t.First == t.Second).Count());
        TestContext.Out.WriteLine($"{same} of {cases.Length} answers, {tokens} of {cases.Sum(c => c.Expected.Length)} tokens up to the first difference");
        Assert.That(same, Is.GreaterThanOrEqualTo(cases.Length * 8 / 10));

        for (var i = 0; i < cases.Length; i += 8)
            Assert.That((await engine.CompleteAsync(cases[i].Prompt, greedy)).TokenIds, Is.EqualTo(together[i].TokenIds));
    }
}
