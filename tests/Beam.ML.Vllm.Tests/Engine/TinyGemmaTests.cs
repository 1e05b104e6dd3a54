using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>The whole engine on a trained model, against the greedy outputs of Transformers.</summary>
[TestFixture]
public sealed class TinyGemmaTests
{
    private static readonly Case[] Cases = Load();

    [Test]
    public async Task Every_answer_is_right_one_request_after_the_other([Values] ModelDtype dtype)
    {
        await using var engine = new LlmEngine(Options with { Dtype = dtype });
        foreach (var item in Cases) AssertMatches(await engine.CompleteAsync(item.PromptIds, Greedy), item);
    }

    [Test]
    public async Task Every_answer_is_right_with_all_requests_at_once([Values] ModelDtype dtype)
    {
        await using var engine = new LlmEngine(Options with { Dtype = dtype, MaxNumSequences = 128 });
        await AllAtOnceAsync(engine);
        Assert.That(engine.Stats.MeanBatchSize, Is.GreaterThan(2));
    }

    [Test]
    public async Task Every_answer_is_right_under_constant_preemption_and_tiny_chunks()
    {
        await using var engine = new LlmEngine(Options with { NumKvBlocks = 12, MaxNumBatchedTokens = 24 });
        await AllAtOnceAsync(engine);
        Assert.That(engine.Stats.Preemptions, Is.GreaterThan(20));
        Assert.That(engine.Stats.KvCacheUsage, Is.Zero);
    }

    [TestCase("a")]
    [TestCase("What is the capital of Peru? ")]
    [TestCase("\ud83d")]
    public async Task A_prompt_of_ten_megabytes_is_refused_and_harms_no_other(string part)
    {
        await using var engine = new LlmEngine(Options);
        var others = AllAtOnceAsync(engine);
        var prompt = string.Concat(Enumerable.Repeat(part, 10_000_000 / part.Length));
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => engine.CompleteAsync(prompt, Greedy));
        Assert.That(error!.Message, Does.Contain("maximum context length is 1024 tokens"));
        await others;
    }

    [Test]
    public async Task Prompts_as_text_give_the_same()
    {
        await using var engine = new LlmEngine(Options);
        foreach (var item in Cases.Take(20))
        {
            var output = await engine.CompleteAsync(item.Prompt, Greedy);
            Assert.That(output.PromptTokenIds, Is.EqualTo(item.PromptIds));
            AssertMatches(output, item);
        }
    }

    private static EngineOptions Options => new() { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 512 };

    private static SamplingParams Greedy => new() { Temperature = 0, MaxTokens = 96 };

    private static async Task AllAtOnceAsync(LlmEngine engine)
    {
        var outputs = await Task.WhenAll(Cases.Select(c => engine.CompleteAsync(c.PromptIds, Greedy)));
        for (var i = 0; i < Cases.Length; i++) AssertMatches(outputs[i], Cases[i]);
    }

    private static void AssertMatches(RequestOutput output, Case expected)
    {
        Assert.Multiple(() =>
        {
            Assert.That(output.TokenIds, Is.EqualTo(expected.OutputIds), expected.Prompt);
            Assert.That(output.Text, Is.EqualTo(expected.Text));
            Assert.That(output.FinishReason, Is.EqualTo(expected.FinishReason));
            Assert.That(output.Finished);
        });
    }

    private static Case[] Load()
    {
        using var json = TestModels.ReadJson(TestModels.GoldenFolder, "tiny_gemma.json");
        return [.. json.RootElement.GetProperty("cases").EnumerateArray().Select(c => new Case(
            c.GetProperty("prompt").GetString()!,
            c.GetProperty("prompt_ids").Ints(),
            c.GetProperty("output_ids").Ints(),
            c.GetProperty("text").GetString()!,
            c.GetProperty("finish_reason").GetString()!))];
    }

    private sealed record Case(string Prompt, int[] PromptIds, int[] OutputIds, string Text, string FinishReason);
}
