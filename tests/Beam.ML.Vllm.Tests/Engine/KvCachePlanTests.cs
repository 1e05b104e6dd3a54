using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>How the cache's size follows from options, model and memory.</summary>
[TestFixture]
public sealed class KvCachePlanTests
{
    private const long Plenty = 1L << 40;

    private static readonly EngineOptions Options = new() { Model = "none" };

    [Test]
    public void A_length_beyond_the_model_is_refused() => Assert.That(
        () => KvCachePlan.Make(Options with { MaxModelLength = 1025 }, 1024, bytesPerBlock: 1, weightBytes: 0, workspaceBytes: 0, Plenty),
        Throws.ArgumentException.With.Message.Contains("max_model_len (1025) is greater than the derived max_model_len (max_position_embeddings=1024"));

    [Test]
    public void The_model_s_own_length_may_be_asked_for() =>
        Assert.That(KvCachePlan.Make(Options with { MaxModelLength = 1024, NumKvBlocks = 64 }, 1024, 1, 0, 0, Plenty), Is.EqualTo(new KvCachePlan(64, 1024)));

    [Test]
    public void A_length_that_does_not_fit_shrinks_unless_it_was_asked_for()
    {
        Assert.That(KvCachePlan.Make(Options with { NumKvBlocks = 4 }, 1024, 1, 0, 0, Plenty), Is.EqualTo(new KvCachePlan(4, 64)));
        Assert.That(() => KvCachePlan.Make(Options with { NumKvBlocks = 4, MaxModelLength = 65 }, 1024, 1, 0, 0, Plenty), Throws.ArgumentException.With.Message.Contains("(64)"));
    }

    [Test]
    public void Weights_that_fill_the_memory_leave_none_for_a_cache() =>
        Assert.That(() => KvCachePlan.Make(Options, 1024, 1, weightBytes: Plenty, workspaceBytes: 0, Plenty), Throws.ArgumentException.With.Message.Contains("memory_utilization"));

    [Test]
    public void The_cache_takes_its_part_of_what_weights_and_working_memory_leave()
    {
        var plan = KvCachePlan.Make(Options with { MemoryUtilization = 0.25, MaxModelLength = 64 }, 1024, bytesPerBlock: 1000, weightBytes: 500_000, workspaceBytes: 100_000, availableBytes: 1_000_000);
        Assert.That(plan, Is.EqualTo(new KvCachePlan(100, 64)));
    }

    [Test]
    public void The_cache_takes_the_bytes_that_it_was_given_whatever_is_free()
    {
        var options = Options with { KvCacheMemoryBytes = 64_000, MaxModelLength = 64 };
        Assert.That(KvCachePlan.Make(options, 1024, bytesPerBlock: 1000, weightBytes: Plenty, workspaceBytes: 0, availableBytes: 1), Is.EqualTo(new KvCachePlan(64, 64)));
        Assert.That(
            () => KvCachePlan.Make(options with { KvCacheMemoryBytes = 3000 }, 1024, 1000, 0, 0, Plenty),
            Throws.ArgumentException.With.Message.Contains("Try increasing kv_cache_memory_bytes"));
    }

    [Test]
    public void A_cache_in_int8_holds_twice_the_tokens_of_one_in_bfloat16()
    {
        var blocks = new[] { KvCacheFormat.BFloat16, KvCacheFormat.Int8 }.Select(format => KvCachePlan.Make(
            Options with { MaxNumSequences = 1024 }, 4096, KvCache.BytesPerBlock([new KvShape(8, 128), new KvShape(8, 128)], 16, format), 0, 0, 1L << 30).Blocks).ToArray();
        Assert.That((double)blocks[1] / blocks[0], Is.EqualTo(2).Within(0.05));
    }

    [Test]
    public void What_the_memory_takes_away_is_said()
    {
        var plan = KvCachePlan.Make(Options with { NumKvBlocks = 4 }, 1024, 1 << 20, 0, 0, Plenty);
        Assert.That(plan.Describe(Options, 1024, 1 << 20), Is.EqualTo(new[]
        {
            "KV cache size: 64 tokens in 4 blocks (0.00 GiB)",
            "Maximum concurrency for 64 tokens per request: 1.00x",
            "max_model_len is 64 in place of the model's 1,024: the cache holds no longer sequence. Increase memory_utilization, or choose kv_cache_dtype int8_per_token_head, for longer ones.",
        }));
        Assert.That(new KvCachePlan(64, 512).Describe(Options with { MaxModelLength = 512 }, 1024, 1).Count(), Is.EqualTo(2));
    }

    [Test]
    public void An_engine_tells_its_owner_what_its_cache_holds()
    {
        var lines = new List<string>();
        using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 4, Log = lines.Add });
        Assert.That(engine.MaxModelLength, Is.EqualTo(64).And.LessThan(engine.ModelMaxLength));
        Assert.That(lines, Has.Count.EqualTo(3));
        Assert.That(lines[2], Does.StartWith("max_model_len is 64 in place of the model's "));
    }
}
