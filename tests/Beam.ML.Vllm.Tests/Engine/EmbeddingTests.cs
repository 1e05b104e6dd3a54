using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>Embeddings: the last hidden state, which times the head is the logits that Transformers computes.</summary>
[TestFixture]
public sealed class EmbeddingTests
{
    [Test]
    public async Task The_head_makes_of_them_what_Transformers_has_for_logits(
        [Values("gemma", "mistral", "qwen3", "gpt2")] string family, [Values(512, 7)] int chunk)
    {
        var options = new EngineOptions
        {
            Model = TestModels.Golden(family), Dtype = ModelDtype.Float32, SkipTokenizerInit = true, NumThreads = 1, NumKvBlocks = 64, MaxNumBatchedTokens = chunk,
        };
        await using var engine = new LlmEngine(options);
        using var json = TestModels.ReadJson(options.Model, "expected.json");
        using var tensors = SafetensorsFile.Open(Path.Combine(options.Model, "expected.safetensors"));
        using var weights = SafetensorsFile.Open(Path.Combine(options.Model, "model.safetensors"));
        var head = weights.Tensors[new[] { "lm_head.weight", "model.embed_tokens.weight", "transformer.wte.weight" }.First(weights.Tensors.ContainsKey)];
        var prompts = json.RootElement.GetProperty("cases").EnumerateArray().Select(c => c.GetProperty("prompt").Ints()).ToArray();
        var outputs = await Task.WhenAll(prompts.Select(p => engine.EmbedAsync(p, new PoolingParams { Normalize = false })));
        for (var i = 0; i < prompts.Length; i++)
        {
            var hidden = outputs[i].Embedding.ToArray();
            var expected = new float[head.Rows];
            tensors.Tensors[$"logits.{i}"].ReadRow(prompts[i].Length - 1, expected);
            var row = new float[hidden.Length];
            for (var token = 0; token < expected.Length; token++)
            {
                head.ReadRow(token, row);
                Assert.That(row.Zip(hidden, (a, b) => (double)a * b).Sum(), Is.EqualTo(expected[token]).Within(2e-3 + (1e-3 * Math.Abs(expected[token]))));
            }
        }
    }

    [Test]
    public async Task They_have_length_one_and_are_the_same_in_any_company()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 128 });
        var texts = Enumerable.Range(0, 12).Select(i => $"Describe {i} things, and then some more of them.").ToArray();
        var alone = new List<float[]>();
        foreach (var text in texts) alone.Add((await engine.EmbedAsync(text)).Embedding.ToArray());
        await using var crowded = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 2, NumKvBlocks = 16, MaxModelLength = 100, MaxNumBatchedTokens = 20 });
        var answers = texts.Select(t => crowded.CompleteAsync(t, new SamplingParams { MaxTokens = 30, IgnoreEos = true })).ToArray();
        var together = await Task.WhenAll(texts.Select(t => crowded.EmbedAsync(t)));
        await Task.WhenAll(answers);
        Assert.Multiple(() =>
        {
            Assert.That(together.Select(e => e.Embedding.ToArray()), Is.EqualTo(alone));
            Assert.That(alone.Select(v => v.Sum(x => (double)x * x)), Is.All.EqualTo(1).Within(1e-5));
            Assert.That(alone[0], Is.Not.EqualTo(alone[1]));
            Assert.That(together[0].Metrics.PromptTokens, Is.EqualTo(together[0].PromptTokenIds.Count));
            Assert.That((crowded.Stats.RunningRequests, crowded.Stats.KvCacheUsage), Is.EqualTo((0, 0.0)));
        });
    }

    [Test]
    public async Task A_prompt_may_fill_the_context_and_no_more()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 8, MaxModelLength = 100 });
        var prompt = Enumerable.Range(10, 101).ToArray();
        Assert.That((await engine.EmbedAsync(prompt.AsMemory(0, 100))).PromptTokenIds, Has.Count.EqualTo(100));
        Assert.That((await engine.EmbedAsync(prompt, new PoolingParams { TruncatePromptTokens = -1 })).PromptTokenIds, Is.EqualTo(prompt[1..]));
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => engine.EmbedAsync(prompt));
        Assert.That(error!.Message, Does.Contain("maximum context length is 100 tokens. However, the prompt has 101 tokens"));
        await Assert.ThrowsAsync<InvalidRequestException>(() => engine.EmbedAsync(Array.Empty<int>()));
        await Assert.ThrowsAsync<InvalidRequestException>(() => engine.EmbedAsync(prompt, new PoolingParams { TruncatePromptTokens = 0 }));
    }
}
