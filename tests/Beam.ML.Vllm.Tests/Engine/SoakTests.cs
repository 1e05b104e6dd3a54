using System.Collections.Concurrent;
using System.Diagnostics;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Engine.Fakes;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>Many random requests with random aborts on a cache that is much too small: each ends exactly once, and nothing is left behind.</summary>
[TestFixture]
public sealed class SoakTests
{
    private const int Readers = 96;

    [Test]
    public async Task Three_hundred_requests_each_end_once_and_leave_nothing_behind()
    {
        await using var engine = new LlmEngine(TinyGemma);
        var ends = await RunAsync(engine, 300, engine.VocabularySize, adapters: []);
        await AssertNothingIsLeftAsync(engine);
        Assert.That(ends.Keys, Is.SupersetOf(new[] { "length", "abort", "cancelled", "left" }));
        Assert.That(engine.Stats.Preemptions, Is.Positive);
        Assert.That(engine.Stats.PrefixCacheHits, Is.Positive);
    }

    [Test]
    public async Task Twenty_thousand_requests_with_all_features_each_end_once_and_leave_nothing_behind()
    {
        var seen = new ConcurrentQueue<WeakReference<Sequence>>();
        var runner = new PagedFakeRunner(blocks: 20, maxModelLength: 120) { Started = s => seen.Enqueue(new WeakReference<Sequence>(s)) };
        var options = new EngineOptions
        {
            Model = "fake",
            MaxNumSequences = 24,
            MaxNumBatchedTokens = 96,
            MaxWaitingRequests = 40,
            SchedulingPolicy = SchedulingPolicy.Priority,
            EnableLora = true,
            MaxLoras = 2,
            MaxCpuLoras = 3,
            SpeculativeConfig = new SpeculativeConfig { NumSpeculativeTokens = 4, PromptLookupMin = 1, PromptLookupMax = 3 },
        };
        LoraRequest[] adapters = [.. Enumerable.Range(0, 6).Select(i => new LoraRequest($"adapter-{i}", "nowhere"))];
        var parts = new EngineParts(runner, null, EosTokens.From(3, [3, 4]), new SamplingParams(), "nowhere");
        await using (var engine = new LlmEngine(options, parts))
        {
            var ends = await RunAsync(engine, 20_000, PagedFakeRunner.Vocabulary, adapters);
            await AssertNothingIsLeftAsync(engine);
            var stats = engine.Stats;
            TestContext.Out.WriteLine($"{string.Join(", ", ends)}; {stats}; {runner.LoadedAdapters} adapters loaded");
            Assert.Multiple(() =>
            {
                Assert.That(ends.Values.Sum(), Is.EqualTo(20_000));
                Assert.That(ends.Keys, Is.SupersetOf(new[] { "length", "stop", "abort", "cancelled", "left" }));
                Assert.That(stats.Preemptions, Is.GreaterThan(200));
                Assert.That(stats.PrefixCacheHits, Is.GreaterThan(10_000));
                Assert.That(stats.SpecDecodeAcceptedTokens, Is.GreaterThan(10_000));
                Assert.That(runner.LoadedAdapters, Is.GreaterThan(20));
                Assert.That(runner.LiveAdapters, Is.LessThanOrEqualTo(3));
            });

            // What the scheduler keeps for later use may hold on to a few.
            GC.Collect();
            Assert.That(seen.Count(w => w.TryGetTarget(out _)), Is.LessThan(50), "ended requests are kept alive");
        }

        Assert.That(runner.LiveAdapters, Is.Zero);
    }

    /// <summary>The same at full length on a trained model; some minutes.</summary>
    [Test, Explicit("takes minutes; watches the memory of the whole process")]
    public async Task Twenty_thousand_requests_to_a_trained_model_leave_memory_flat()
    {
        await using var engine = new LlmEngine(TinyGemma with { NumThreads = 2, SpeculativeConfig = new SpeculativeConfig { NumSpeculativeTokens = 3, PromptLookupMin = 2, PromptLookupMax = 4 } });
        var (memory, clock) = (new List<(long Heap, long WorkingSet)>(), Stopwatch.StartNew());
        for (var part = 0; part < 10; part++)
        {
            await RunAsync(engine, 2000, engine.VocabularySize, adapters: [], seed: part * 2000);
            await AssertNothingIsLeftAsync(engine);
            memory.Add((GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet));
            var (heap, set) = memory[^1];
            await TestContext.Progress.WriteLineAsync($"{(part + 1) * 2000} requests, {clock.Elapsed.TotalSeconds:f0} s, heap {heap >> 10} KiB, working set {set >> 20} MiB, {engine.Stats}");
        }

        Assert.That(memory[^1].Heap, Is.LessThan(memory[1].Heap + (2 << 20)));
        Assert.That(memory[^1].WorkingSet, Is.LessThan(memory[1].WorkingSet + (48 << 20)));
    }

    private static EngineOptions TinyGemma => new()
    {
        Model = TestModels.TinyGemma,
        NumThreads = 1,
        NumKvBlocks = 20,
        MaxModelLength = 160,
        MaxNumSequences = 16,
        MaxNumBatchedTokens = 48,
        MaxWaitingRequests = 20,
    };

    /// <summary>Serves so many requests to a crowd of readers; returns how they ended.</summary>
    private static async Task<ConcurrentDictionary<string, int>> RunAsync(LlmEngine engine, int count, int vocabulary, LoraRequest[] adapters, int seed = 0)
    {
        var (ends, next) = (new ConcurrentDictionary<string, int>(), -1);
        await Task.WhenAll(Enumerable.Range(0, Readers).Select(_ => Task.Run(async () =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < count;)
                ends.AddOrUpdate(await OneAsync(engine, new Random(seed + i), vocabulary, adapters), 1, (_, n) => n + 1);
        })));
        return ends;
    }

    private static async Task AssertNothingIsLeftAsync(LlmEngine engine)
    {
        // It comes after all aborts.
        await engine.CompleteAsync(new[] { 2 }, new SamplingParams { MaxTokens = 1 });
        var stats = engine.Stats;
        Assert.That((stats.RunningRequests, stats.WaitingRequests, stats.KvCacheUsage, engine.LiveSequences, engine.IsAlive), Is.EqualTo((0, 0, 0.0, 0, true)));
    }

    private static async Task<string> OneAsync(LlmEngine engine, Random random, int vocabulary, LoraRequest[] adapters)
    {
        int[] prompt = [.. Enumerable.Repeat(vocabulary / 2, random.Next(0, 3) * 16), .. Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(vocabulary))];
        var parameters = new SamplingParams
        {
            Temperature = random.Next(2),
            MaxTokens = random.Next(1, 40),
            IgnoreEos = random.Next(2) == 0,
            N = random.Next(8) == 0 ? random.Next(2, 4) : 1,
            Seed = random.Next(4) > 0 ? random.Next() : null,
            Stop = engine.Tokenizer is not null && random.Next(4) == 0 ? ["e"] : [],
            RepetitionPenalty = random.Next(4) == 0 ? 1.1 : 1,
            OutputKind = (OutputKind)random.Next(3),
        };
        parameters = random.Next(12) switch
        {
            0 => parameters with { StopTokenIds = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(vocabulary))], MinTokens = random.Next(parameters.MaxTokens!.Value) },
            1 => parameters with { AllowedTokenIds = [.. Enumerable.Range(5, vocabulary / 2)], Logprobs = random.Next(4) },
            2 => parameters with { LogitBias = new Dictionary<int, float> { [random.Next(vocabulary)] = random.Next(-5, 5) }, BadWordsTokenIds = [[random.Next(vocabulary), random.Next(vocabulary)]] },
            3 => parameters with { BestOf = parameters.N + 2, OutputKind = OutputKind.FinalOnly, TopP = 0.9 },
            4 => parameters with { CacheSalt = $"{random.Next(3)}", RepetitionDetection = new RepetitionDetectionParams(3, 1, 4) },
            _ => parameters,
        };
        if (parameters.Sequences > 1 && parameters.Temperature == 0) parameters = parameters with { Temperature = 0.5 };
        var adapter = adapters.Length > 0 && random.Next(2) == 0 ? adapters[random.Next(adapters.Length)] : null;
        var (abortAfter, cancelAfter, leaveAfter) = (random.Next(40), random.Next(40), random.Next(40));
        var id = $"{random.Next()}-{Guid.NewGuid()}";
        using var source = new CancellationTokenSource();
        if (random.Next(50) == 0) source.CancelAfter(random.Next(3));
        var (end, left, finished) = ("none", false, new Dictionary<int, string>());
        try
        {
            await foreach (var output in engine.GenerateAsync(prompt, parameters, id, random.Next(3), adapter, source.Token))
            {
                if (end != "none") throw new InvalidOperationException("There is an output after the last one.");
                if (random.Next(5) == 0) await Task.Yield();
                foreach (var completion in output.Outputs)
                {
                    if (completion.FinishReason is not { } reason) continue;
                    if (finished.TryGetValue(completion.Index, out var before) && before != reason) throw new InvalidOperationException("A completion has ended twice.");
                    finished[completion.Index] = reason;
                }

                if (output.Finished)
                {
                    if (finished.Count != parameters.N) throw new InvalidOperationException("A completion has not ended.");
                    end = finished.ContainsValue("abort") ? "abort" : finished[0];
                    continue;
                }

                var tokens = output.Outputs.Count == 0 ? 0 : output.Outputs.Max(o => o.TokenIds.Count);
                if (tokens > leaveAfter && (left = true)) break;
                if (tokens > abortAfter) engine.Abort(id);
                else if (tokens > cancelAfter) await source.CancelAsync();
            }
        }
        catch (OperationCanceledException)
        {
            end = "cancelled";
        }

        if (left) return "left";
        if (end == "none") throw new InvalidOperationException("The stream ended without a last output.");
        return end;
    }
}
