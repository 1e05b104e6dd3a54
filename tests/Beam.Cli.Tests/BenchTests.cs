using System.Text.Json;
using Beam.Cli.Engine.Bench;
using Beam.Cli.Hosting;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Quantization;

namespace Beam.Cli.Tests;

public sealed class BenchTests
{
    [Test]
    public async Task A_small_model_of_random_weights_gets_every_figure_as_json()
    {
        var result = await Tool.RunAsync("engine", "bench", "random:mini", "--json", "--repeats", "1", "--prompts", "8");
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        using var report = JsonDocument.Parse(result.Output);
        var lines = report.RootElement.GetProperty("lines").EnumerateArray().ToDictionary(l => l.GetProperty("key").GetString()!, l => l.GetProperty("wall").GetProperty("median").GetDouble());
        Assert.That(lines.Keys, Is.SupersetOf((string[])
        [
            "start", "machine.read", "machine.fma", "decode.1", "decode.8", "decode.16", "decode.32", "prefill", "decode.1.ratio", "decode.32.ratio", "prefill.ratio",
            "skewed.serial.ratio", "skewed.static.8.ratio", "skewed.static.32.ratio",
        ]));
        Assert.That(lines.Values, Is.All.GreaterThan(0));
    }

    [Test]
    public async Task An_unknown_shape_is_a_wrong_command_line()
    {
        var result = await Tool.RunAsync("engine", "bench", "random:huge");
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Usage));
        Assert.That(result.Error, Does.Contain("qwen2.5-0.5b"));
    }

    [Test]
    public void The_skewed_workload_is_the_same_for_the_same_seed_and_within_its_bounds()
    {
        var work = Workload.Skewed(500, 1000, 2048);
        var again = Workload.Skewed(500, 1000, 2048);
        Assert.That(work.Select(w => (w.Prompt.Length, w.OutputTokens)), Is.EqualTo(again.Select(w => (w.Prompt.Length, w.OutputTokens))));
        Assert.That(work.Select(w => w.Prompt.Length), Is.All.InRange(4, 700));
        Assert.That(work.Select(w => w.OutputTokens), Is.All.InRange(1, 256));
        Assert.That(work.Select(w => w.Prompt.Length).Order().ElementAt(250), Is.InRange(50, 70));
        Assert.That(work.Select(w => w.OutputTokens).Order().ElementAt(250), Is.InRange(11, 17));
    }

    /// <summary>Three layers of 36,864 weights, an embedding of 384 × 64, and a head of as many, which stays in bfloat16. Scales, and zero points, of groups of 32 count as well.</summary>
    [TestCase("llama_gptq", 5.5)]
    [TestCase("llama_awq", 5.5)]
    [TestCase("llama_compressed_int4", 5)]
    [TestCase("llama_block_fp8", 9)]
    [TestCase("llama_compressed_fp8", 8)]
    public async Task Of_a_quantized_checkpoint_its_weights_are_counted_and_the_bytes_that_a_token_reads(string name, double bits)
    {
        var folder = Path.Combine(Tool.Repository, "tests", "Beam.ML.Vllm.Tests", "golden", "quantized", name);
        var size = ModelSize.Of(folder);
        Assert.That((size.LayerWeights, size.HeadWeights, size.AllWeights), Is.EqualTo((3 * 36_864, 384 * 64, (3 * 36_864) + (2 * 384 * 64))));
        await using var engine = new LlmEngine(new EngineOptions { Model = folder, SkipTokenizerInit = true, NumThreads = 1, NumKvBlocks = 16 });
        var unread = ModelSize.UnreadBytes(folder, QuantizationMethods.Choose(ModelConfig.Load(folder), requested: null), roundToBFloat16: false);
        Assert.That(engine.Stats.WeightBytes - unread, Is.EqualTo((3 * 36_864 * bits / 8) + (384 * 64 * 2)).Within(8).Percent);
    }

    [Test]
    public void A_mixture_reads_of_its_experts_those_that_a_token_chooses()
    {
        var folder = Tool.Golden("mixtral");
        var config = ModelConfig.Load(folder);
        using var checkpoint = Checkpoint.Open(folder);
        var experts = checkpoint.Tensors.Where(t => t.Name.Contains(".experts.", StringComparison.Ordinal)).Sum(t => (long)t.Rows * t.Columns);
        var embedding = checkpoint.Get("model.embed_tokens.weight");
        var unchosen = experts - (experts * config.Count("num_experts_per_tok") / config.Count("num_local_experts"));
        Assert.That(
            ModelSize.UnreadBytes(folder, QuantizationScheme.None, roundToBFloat16: true),
            Is.EqualTo(2 * (unchosen + ((long)embedding.Rows * embedding.Columns))));
    }

    [Test]
    public void A_static_batch_is_a_rectangle()
    {
        var work = Workload.Skewed(20, 1000, 512);
        foreach (var (batch, original) in Workload.Rectangles(work, 8, 1000, 512).Zip(work.Chunk(8)))
        {
            Assert.That(batch.Select(w => w.OutputTokens), Is.All.EqualTo(original.Max(w => w.OutputTokens)));
            Assert.That(batch.Select(w => w.Prompt.Length).Distinct(), Has.Exactly(1).Items);
            Assert.That(batch[0].Prompt.Length + batch[0].OutputTokens, Is.LessThanOrEqualTo(512));
        }
    }

    [TestCase("qwen2.5-0.5b", 494_000_000)]
    [TestCase("gemma-2b", 2_506_000_000)]
    public void Shapes_have_as_many_weights_as_the_models_that_they_are_named_for(string name, long weights)
    {
        var shape = CheckpointShape.Find(name);
        Assert.That(shape.Tensors().Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b)), Is.EqualTo(weights).Within(1).Percent);
    }

    [Test]
    public async Task Every_kind_of_shape_loads_and_generates()
    {
        foreach (var kind in CheckpointShape.All)
        {
            var folder = Directory.CreateTempSubdirectory("beam-shape-");
            try
            {
                var small = kind with { Vocabulary = 256, Hidden = 64, Intermediate = 32, Layers = 2, Heads = 4, KeyValueHeads = kind.KeyValueHeads == 1 ? 1 : 2, HeadSize = 16 };
                RandomCheckpoint.Write(small, folder.FullName);
                await using var engine = new LlmEngine(new EngineOptions { Model = folder.FullName, SkipTokenizerInit = true, NumKvBlocks = 256 });
                await EngineRuns.CompleteAsync(engine, new Work([1, 2, 3], 4));
            }
            finally
            {
                folder.Delete(recursive: true);
            }
        }
    }
}
