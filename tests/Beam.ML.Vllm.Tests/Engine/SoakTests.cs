using System.Collections.Concurrent;
using System.Diagnostics;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.StructuredOutput;
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
        Assert.That(ends.Keys, Is.SupersetOf(new[] { "length", "abort", "cancelled", "left", "embedding" }));
        Assert.That(engine.Stats.Preemptions, Is.Positive);
        Assert.That(engine.Stats.PrefixCacheHits, Is.Positive);
    }

    /// <summary>With no other test beside it, so that what the heap holds in the end is its own.</summary>
    [Test, NonParallelizable]
    public async Task Twenty_thousand_requests_with_all_features_each_end_once_and_leave_nothing_behind()
    {
        const int parts = 5, count = 4000;
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
        var engineParts = new EngineParts(runner, null, EosTokens.From(3, [3, 4]), new SamplingParams(), "nowhere");
        await using (var engine = new LlmEngine(options, engineParts))
        {
            var (ends, heap) = (new Dictionary<string, int>(), new List<long>());
            for (var part = 0; part < parts; part++)
            {
                foreach (var (end, n) in await RunAsync(engine, count, PagedFakeRunner.Vocabulary, adapters, seed: part * count)) ends[end] = ends.GetValueOrDefault(end) + n;
                await AssertNothingIsLeftAsync(engine);

                // What the scheduler keeps for later use may hold on to a few.
                GC.Collect();
                Assert.That(seen.Count(w => w.TryGetTarget(out _)), Is.LessThan(50), "ended requests are kept alive");
                seen.Clear();
                heap.Add(GC.GetTotalMemory(forceFullCollection: true));
            }

            var stats = engine.Stats;
            TestContext.Out.WriteLine($"{string.Join(", ", ends)}; {stats}; {runner.LoadedAdapters} adapters loaded; heap {string.Join(", ", heap.Select(h => $"{h >> 10} KiB"))}");
            Assert.Multiple(() =>
            {
                Assert.That(ends.Values.Sum(), Is.EqualTo(parts * count));
                Assert.That(ends.Keys, Is.SupersetOf(new[] { "length", "stop", "abort", "cancelled", "left", "search", "embedding" }));
                Assert.That(stats.Preemptions, Is.GreaterThan(200));
                Assert.That(stats.PrefixCacheHits, Is.GreaterThan(10_000));
                Assert.That(stats.SpecDecodeAcceptedTokens, Is.GreaterThan(10_000));
                Assert.That(runner.LoadedAdapters, Is.GreaterThan(20));
                Assert.That(runner.LiveAdapters, Is.LessThanOrEqualTo(3));
                Assert.That(heap[^1], Is.LessThan(heap[1] + (1 << 20)), "the heap grows");
            });
        }

        Assert.That(runner.LiveAdapters, Is.Zero);
    }

    /// <summary>On a trained model, with what needs a tokenizer as well.</summary>
    [Test, NonParallelizable]
    public async Task Two_thousand_requests_to_a_trained_model_leave_memory_flat() => await SoakTrainedAsync(parts: 4, count: 500);

    /// <summary>The same at full length; some minutes.</summary>
    [Test, NonParallelizable, Explicit("takes minutes; watches the memory of the whole process")]
    public async Task Twenty_thousand_requests_to_a_trained_model_leave_memory_flat() => await SoakTrainedAsync(parts: 10, count: 2000);

    private static async Task SoakTrainedAsync(int parts, int count)
    {
        await using var engine = new LlmEngine(TinyGemma with { NumThreads = 2, SpeculativeConfig = new SpeculativeConfig { NumSpeculativeTokens = 3, PromptLookupMin = 2, PromptLookupMax = 4 } });
        var (memory, clock) = (new List<(long Heap, long WorkingSet)>(), Stopwatch.StartNew());
        for (var part = 0; part < parts; part++)
        {
            var ends = await RunAsync(engine, count, engine.VocabularySize, adapters: [], seed: part * count);
            Assert.That(ends.Keys, Is.SupersetOf(new[] { "length", "stop", "abort", "cancelled", "left", "search", "embedding" }));
            await AssertNothingIsLeftAsync(engine);
            memory.Add((GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet));
            var (heap, set) = memory[^1];
            TestContext.Out.WriteLine($"{(part + 1) * count} requests, {clock.Elapsed.TotalSeconds:f0} s, heap {heap >> 10} KiB, working set {set >> 20} MiB, {string.Join(", ", ends)}, {engine.Stats}");
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
        var adapter = adapters.Length > 0 && random.Next(2) == 0 ? adapters[random.Next(adapters.Length)] : null;
        return random.Next(24) switch
        {
            0 => await SearchAsync(engine, random, prompt, adapter),
            1 => await EmbedAsync(engine, random, prompt, adapter),
            _ => await GenerateAsync(engine, random, prompt, Parameters(engine, random, vocabulary), adapter),
        };
    }

    private static async Task<string> SearchAsync(LlmEngine engine, Random random, int[] prompt, LoraRequest? adapter)
    {
        using var source = new CancellationTokenSource();
        if (random.Next(10) == 0) source.CancelAfter(random.Next(3));
        try
        {
            var parameters = new BeamSearchParams { BeamWidth = random.Next(1, 4), MaxTokens = random.Next(1, 8), LengthPenalty = random.NextDouble() };
            var output = await engine.BeamSearchAsync(prompt, parameters, null, random.Next(3), adapter, source.Token);
            return output.Outputs.Count > 0 && output.Finished ? "search" : throw new InvalidOperationException("A search has no outcome.");
        }
        catch (OperationCanceledException)
        {
            return "cancelled";
        }
    }

    private static async Task<string> EmbedAsync(LlmEngine engine, Random random, int[] prompt, LoraRequest? adapter)
    {
        var output = await engine.EmbedAsync(prompt, new PoolingParams(), null, random.Next(3), adapter);
        return output.Embedding.Length > 0 ? "embedding" : throw new InvalidOperationException("An embedding is empty.");
    }

    /// <summary>Any of what requests may ask for, and several at a time.</summary>
    private static SamplingParams Parameters(LlmEngine engine, Random random, int vocabulary)
    {
        var isText = engine.Tokenizer is not null;
        var parameters = new SamplingParams
        {
            Temperature = random.Next(2),
            TopP = random.Next(4) == 0 ? 0.9 : 1,
            TopK = random.Next(4) == 0 ? 5 : 0,
            MinP = random.Next(8) == 0 ? 0.05 : 0,
            MaxTokens = random.Next(1, 40),
            IgnoreEos = random.Next(2) == 0,
            N = random.Next(8) == 0 ? random.Next(2, 4) : 1,
            Seed = random.Next(4) > 0 ? random.Next() : null,
            Stop = isText && random.Next(4) == 0 ? ["e"] : [],
            StopTokenIds = random.Next(6) == 0 ? [random.Next(vocabulary), random.Next(vocabulary)] : [],
            RepetitionPenalty = random.Next(4) == 0 ? 1.1 : 1,
            PresencePenalty = random.Next(8) == 0 ? 0.5 : 0,
            FrequencyPenalty = random.Next(8) == 0 ? 0.5 : 0,
            RepetitionDetection = random.Next(12) == 0 ? new RepetitionDetectionParams(4, 1, 4) : null,
            LogitBias = random.Next(8) == 0 ? new Dictionary<int, float> { [random.Next(vocabulary)] = random.Next(-100, 6) } : null,
            AllowedTokenIds = random.Next(16) == 0 ? [.. Enumerable.Range(0, vocabulary / 2)] : null,
            BadWords = isText && random.Next(8) == 0 ? ["the", "capital of"] : [],
            BadWordsTokenIds = random.Next(8) == 0 ? [[random.Next(vocabulary)], [random.Next(vocabulary), random.Next(vocabulary)]] : [],
            Logprobs = random.Next(5) == 0 ? random.Next(0, 4) : null,
            PromptLogprobs = random.Next(10) == 0 ? random.Next(0, 3) : null,
            CacheSalt = random.Next(8) == 0 ? $"{random.Next(2)}" : null,
            SkipReadingPrefixCache = random.Next(16) == 0 ? true : null,
            StreamInterval = random.Next(6) == 0 ? random.Next(1, 6) : null,
            StructuredOutputs = isText && random.Next(6) == 0 ? Constraint(random) : null,
            OutputKind = (OutputKind)random.Next(3),
        };
        if (parameters.MaxTokens > 4 && random.Next(6) == 0) parameters = parameters with { MinTokens = random.Next(1, 4) };
        if (random.Next(12) == 0) parameters = parameters with { Temperature = 1, BestOf = parameters.N + 2, OutputKind = OutputKind.FinalOnly };
        return parameters;
    }

    private static StructuredOutputsParams Constraint(Random random) => random.Next(4) switch
    {
        0 => new StructuredOutputsParams { Regex = $"[a-z ]{{1,{random.Next(2, 30)}}}" },
        1 => new StructuredOutputsParams { Choice = ["Paris", "Rome", "Berlin"] },
        2 => new StructuredOutputsParams { Grammar = "root ::= (\"a\" | \"b\") root | \"c\"" },
        _ => new StructuredOutputsParams { Json = """{"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"]}""" },
    };

    private static async Task<string> GenerateAsync(LlmEngine engine, Random random, int[] prompt, SamplingParams parameters, LoraRequest? adapter)
    {
        if (parameters.N > 1 && parameters.Temperature == 0) parameters = parameters with { Temperature = 0.5 };
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
