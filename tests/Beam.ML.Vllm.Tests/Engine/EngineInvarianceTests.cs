using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Engine.Fakes;
using Beam.ML.Vllm.Tests.Lora;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Weights;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>
/// A request comes to the same tokens alone, in any batch, after preemption, with a prefix hit, with chunked prefill, with drafts, and with
/// other adapters beside it: greedy and seeded.
/// </summary>
[TestFixture]
public sealed class EngineInvarianceTests
{
    private static readonly int[] Eos = [6, 7];

    /// <summary>Everything at random, on the runner that is strict about its cache, which is looked at after each step.</summary>
    [FsCheck.NUnit.Property(MaxTest = 120)]
    public Property A_request_comes_to_the_same_in_any_company() => Prop.ForAll(ArbMap.Default.ArbFor<int>(), seed =>
    {
        var random = new Random(seed);
        LoraAdapter?[] adapters = [null, PagedFakeRunner.Adapter("a"), PagedFakeRunner.Adapter("b"), PagedFakeRunner.Adapter("c")];
        var runner = new PagedFakeRunner(random.Next(9, 40), maxModelLength: 128);
        var options = RandomOptions(random);
        using var core = new CoreHarness(runner, options, Eos);
        var requests = Enumerable.Range(0, 40).Select(_ => RandomRequest(random, adapters, PagedFakeRunner.Vocabulary)).ToArray();
        var (sequences, aborted) = (new List<Sequence>(), new HashSet<Sequence>());
        for (var steps = 0; sequences.Count < requests.Length || core.Core.HasUnfinished; steps++)
        {
            if (sequences.Count < requests.Length && random.Next(2) == 0) sequences.Add(core.Add(requests[sequences.Count]));
            if (sequences.Count > 0 && random.Next(25) == 0 && sequences[random.Next(sequences.Count)] is { FinishReason: null } victim)
            {
                core.Core.Abort(victim);
                aborted.Add(victim);
            }

            core.Core.Step();
            core.Core.Blocks.CheckInvariants(core.Core.Scheduler.Running);
            foreach (var sequence in core.Core.Scheduler.Running) runner.Check(sequence);
            if (steps > 20_000) throw new InvalidOperationException("Someone starves.");
        }

        for (var i = 0; i < requests.Length; i++)
        {
            var expected = PagedFakeRunner.Alone(requests[i].Prompt, requests[i].Parameters, requests[i].Adapter, Eos, 128);
            var output = sequences[i].OutputTokens.ToArray();
            if (aborted.Contains(sequences[i])) expected = expected[..Math.Min(expected.Length, output.Length)];
            if (!output.SequenceEqual(expected)) return false.Label($"request {i}: {string.Join(' ', output)} instead of {string.Join(' ', expected)}");
        }

        return (core.Core.Blocks.FreeBlocks == runner.Blocks && core.Core.LiveRequests == 0).Label("something is left behind");
    });

    /// <summary>The same with a real model and real adapters, on few requests, against each one alone.</summary>
    [Test]
    public void A_real_model_with_real_adapters_does_the_same([Range(1, 6)] int seed)
    {
        var random = new Random(seed);
        var folder = TestModels.Golden("llama");
        var loader = new EngineOptions { Model = folder, NumThreads = 1 + (seed % 3), NumKvBlocks = 10 + random.Next(20), MaxModelLength = 128, SkipTokenizerInit = true };
        var alone = new CpuModelRunner(loader with { NumThreads = 1, NumKvBlocks = 16 }, ModelConfig.Load(folder), folder);
        var crowded = new CpuModelRunner(loader, ModelConfig.Load(folder), folder);
        using var first = crowded.LoadLora(new LoraRequest("first", LoraModelTests.Golden("lora_attention")), CancellationToken.None);
        using var second = crowded.LoadLora(new LoraRequest("second", LoraModelTests.Golden("lora_all")), CancellationToken.None);
        var requests = Enumerable.Range(0, 24).Select(_ => RandomRequest(random, [null, first, second], alone.VocabularySize)).ToArray();
        using var single = new CoreHarness(alone, new EngineOptions { Model = folder, EnablePrefixCaching = false }, Eos);
        var expected = requests.Select(r => single.Run(r)[0]).ToArray();
        using var core = new CoreHarness(crowded, RandomOptions(random) with { SpeculativeConfig = seed % 2 == 0 ? null : new SpeculativeConfig { NumSpeculativeTokens = 3, PromptLookupMin = 1, PromptLookupMax = 3 } }, Eos);
        Assert.That(core.Run(requests), Is.EqualTo(expected));
        Assert.That(core.Core.Blocks.FreeBlocks, Is.EqualTo(crowded.Blocks));
    }

    internal static EngineOptions RandomOptions(Random random)
    {
        var shortest = random.Next(1, 4);
        return new EngineOptions
        {
            Model = "fake",
            MaxNumSequences = random.Next(1, 12),
            MaxNumBatchedTokens = random.Next(1, 80),
            EnablePrefixCaching = random.Next(4) > 0,
            SchedulingPolicy = (SchedulingPolicy)random.Next(2),
            MaxLoras = random.Next(1, 4),
            SpeculativeConfig = random.Next(3) == 0 ? null : new SpeculativeConfig
            {
                NumSpeculativeTokens = random.Next(1, 8), PromptLookupMin = shortest, PromptLookupMax = random.Next(shortest, 6),
            },
        };
    }

    private static CoreRequest RandomRequest(Random random, LoraAdapter?[] adapters, int vocabulary)
    {
        // Beginnings that others have too.
        int[] prompt = [.. Enumerable.Repeat(random.Next(2), random.Next(4) * 16), .. Enumerable.Range(0, random.Next(1, 20)).Select(_ => random.Next(vocabulary))];
        var greedy = random.Next(2) == 0;
        return new CoreRequest(
            prompt,
            new SamplingParams
            {
                Temperature = greedy ? 0 : random.NextDouble() * 2,
                Seed = random.Next(),
                TopK = random.Next(3) == 0 ? 5 : 0,
                TopP = random.Next(3) == 0 ? 0.8 : 1,
                MaxTokens = random.Next(1, 45),
                MinTokens = 0,
                IgnoreEos = random.Next(2) == 0,
                StopTokenIds = random.Next(4) == 0 ? [5] : [],
                RepetitionPenalty = random.Next(4) == 0 ? 1.3 : 1,
                FrequencyPenalty = random.Next(4) == 0 ? 0.5 : 0,
            },
            adapters[random.Next(adapters.Length)],
            random.Next(3));
    }
}
