using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>Many random requests with random aborts on a cache that is much too small.</summary>
[TestFixture]
public sealed class SoakTests
{
    [Test]
    public async Task Three_hundred_requests_each_end_once_and_leave_nothing_behind()
    {
        await using var engine = new LlmEngine(new EngineOptions
        {
            Model = TestModels.TinyGemma,
            NumThreads = 1,
            NumKvBlocks = 20,
            MaxModelLength = 160,
            MaxNumSequences = 16,
            MaxNumBatchedTokens = 48,
            MaxWaitingRequests = 20,
        });
        var ends = await Task.WhenAll(Enumerable.Range(0, 300).Select(i => OneAsync(engine, new Random(i))));
        await engine.CompleteAsync(new[] { 2 }, new SamplingParams { MaxTokens = 1 });
        var stats = engine.Stats;
        Assert.Multiple(() =>
        {
            Assert.That(ends, Has.Some.EqualTo("length").And.Some.EqualTo("abort").And.Some.EqualTo("cancelled"));
            Assert.That((stats.RunningRequests, stats.WaitingRequests, stats.KvCacheUsage), Is.EqualTo((0, 0, 0.0)));
            Assert.That(stats.Preemptions, Is.Positive);
            Assert.That(stats.PrefixCacheHits, Is.Positive);
            Assert.That(engine.IsAlive);
        });
    }

    private static async Task<string> OneAsync(LlmEngine engine, Random random)
    {
        int[] prompt = [.. Enumerable.Range(100, random.Next(0, 3) * 20), .. Enumerable.Range(0, random.Next(1, 60)).Select(_ => random.Next(10, 2000))];
        var parameters = new SamplingParams
        {
            Temperature = random.Next(2),
            MaxTokens = random.Next(1, 40),
            IgnoreEos = random.Next(2) == 0,
            Stop = random.Next(4) == 0 ? ["e"] : [],
            OutputKind = (OutputKind)random.Next(3),
        };
        var (abortAfter, cancelAfter) = (random.Next(12), random.Next(12));
        var id = Guid.NewGuid().ToString();
        using var source = new CancellationTokenSource();
        var end = "none";
        try
        {
            await foreach (var output in engine.GenerateAsync(prompt, parameters, id, cancellationToken: source.Token))
            {
                Assert.That(end, Is.EqualTo("none"), "an output after the last one");
                if (output.Finished) end = output.FinishReason!;
                else if (output.TokenIds.Count > abortAfter) engine.Abort(id);
                else if (output.TokenIds.Count > cancelAfter) await source.CancelAsync();
            }
        }
        catch (OperationCanceledException)
        {
            end = "cancelled";
        }

        Assert.That(end, Is.Not.EqualTo("none"));
        return end;
    }
}
