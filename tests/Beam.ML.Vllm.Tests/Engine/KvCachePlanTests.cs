using Beam.ML.Vllm.Engine;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>How the cache's size follows from options, model and memory.</summary>
[TestFixture]
public sealed class KvCachePlanTests
{
    private static readonly EngineOptions Options = new() { Model = "none" };

    [Test]
    public void A_length_beyond_the_model_is_refused() => Assert.That(
        () => KvCachePlan.Make(Options with { MaxModelLength = 1025 }, 1024, bytesPerBlock: 1, weightBytes: 0),
        Throws.ArgumentException.With.Message.Contains("max_model_len (1025) is greater than the derived max_model_len (max_position_embeddings=1024"));

    [Test]
    public void The_model_s_own_length_may_be_asked_for() =>
        Assert.That(KvCachePlan.Make(Options with { MaxModelLength = 1024, NumKvBlocks = 64 }, 1024, 1, 0), Is.EqualTo(new KvCachePlan(64, 1024)));

    [Test]
    public void A_length_that_does_not_fit_shrinks_unless_it_was_asked_for()
    {
        Assert.That(KvCachePlan.Make(Options with { NumKvBlocks = 4 }, 1024, 1, 0), Is.EqualTo(new KvCachePlan(4, 64)));
        Assert.That(() => KvCachePlan.Make(Options with { NumKvBlocks = 4, MaxModelLength = 65 }, 1024, 1, 0), Throws.ArgumentException.With.Message.Contains("(64)"));
    }

    [Test]
    public void Weights_that_fill_the_memory_leave_none_for_a_cache() =>
        Assert.That(() => KvCachePlan.Make(Options, 1024, 1, weightBytes: long.MaxValue / 2), Throws.ArgumentException.With.Message.Contains("memory_utilization"));
}
