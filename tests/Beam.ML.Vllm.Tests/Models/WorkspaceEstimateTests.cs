using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>The memory that steps take is foreseen, and does not grow with the batch.</summary>
[TestFixture]
public sealed class WorkspaceEstimateTests
{
    private static IEnumerable<string> Folders() => new[] { "models", "quantized" }
        .SelectMany(kind => Directory.GetDirectories(Path.Combine(TestModels.GoldenFolder, kind)))
        .Where(folder => File.Exists(Path.Combine(folder, "config.json")))
        .Select(folder => Path.GetRelativePath(TestModels.GoldenFolder, folder));

    [Test]
    public void No_step_takes_more_than_was_foreseen_of_any_family([ValueSource(nameof(Folders))] string name)
    {
        const int rows = 48;
        var folder = Path.Combine(TestModels.GoldenFolder, name);
        var config = ModelConfig.Load(folder);
        using var harness = new RunnerHarness(folder);
        harness.Logits(RunnerHarness.NewSequence([.. Enumerable.Range(5, rows)]));
        var foreseen = WorkspaceEstimate.Bytes(config, ModelRegistry.Find(config).KvShapes(config), rows, logitRows: rows);
        Assert.That(harness.WorkspaceBytes, Is.InRange(foreseen / 4, foreseen));
    }

    [Test]
    public async Task Logits_of_a_large_batch_are_computed_some_rows_at_a_time_and_sampled_as_if_alone()
    {
        var options = new EngineOptions
        {
            Model = TestModels.Golden("llama"), SkipTokenizerInit = true, NumThreads = 2, NumKvBlocks = 512, MaxNumSequences = 300, MaxNumBatchedTokens = 1024,
        };
        var parts = EngineParts.Load(options);
        await using var engine = new LlmEngine(options, parts);
        Task<RequestOutput>[] together = [.. Enumerable.Range(0, 300).Select(Complete)];
        var outputs = await Task.WhenAll(together);
        var logits = ((CpuModelRunner)parts.Runner).Workspace.BytesOf(Scratch.Logits);
        Assert.That(engine.Stats.MeanBatchSize, Is.GreaterThan(129), "or else nothing was cut");
        Assert.That(logits, Is.InRange(1, 129L * engine.VocabularySize * sizeof(float)));
        foreach (var i in new[] { 0, 128, 129, 255, 299 }) Assert.That((await Complete(i)).TokenIds, Is.EqualTo(outputs[i].TokenIds));

        Task<RequestOutput> Complete(int i) => engine.CompleteAsync(new[] { 5 + i, 7 }, new SamplingParams { Temperature = 1, Seed = i, MaxTokens = 8, IgnoreEos = true });
    }
}
