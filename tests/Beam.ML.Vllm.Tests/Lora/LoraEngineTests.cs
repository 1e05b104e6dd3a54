using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Engine.Fakes;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Lora;

/// <summary>Adapters as the engine's users see them.</summary>
[TestFixture]
public sealed class LoraEngineTests
{
    private static readonly LoraRequest Attention = new("attention", LoraModelTests.Golden("lora_attention")), All = new("all", LoraModelTests.Golden("lora_all"));

    private static readonly SamplingParams Greedy = new() { Temperature = 0, MaxTokens = 24, IgnoreEos = true };

    [Test]
    public async Task Requests_with_different_adapters_and_with_none_share_a_batch([Values(1, 2)] int maxLoras, [Values] bool drafts)
    {
        await using var engine = new LlmEngine(Options with
        {
            MaxLoras = maxLoras, MaxCpuLoras = 2, LoraModules = [Attention, All],
            SpeculativeConfig = drafts ? new SpeculativeConfig { NumSpeculativeTokens = 3, PromptLookupMin = 1, PromptLookupMax = 2 } : null,
        });
        var cases = new[] { (LoraRequest?)null, Attention, All }.SelectMany(adapter => Cases(adapter).Select(c => (Adapter: adapter, c.Prompt, c.Greedy))).ToArray();
        var outputs = await Task.WhenAll(cases.Select(c => engine.CompleteAsync(c.Prompt, Greedy, lora: c.Adapter)));
        for (var i = 0; i < cases.Length; i++) Assert.That(outputs[i].TokenIds, Is.EqualTo(cases[i].Greedy), cases[i].Adapter?.Name);
        Assert.That(engine.Stats.MeanBatchSize, Is.GreaterThan(maxLoras));
    }

    [Test]
    public async Task Beam_searches_and_embeddings_take_adapters_as_well()
    {
        await using var engine = new LlmEngine(Options with { LoraModules = [All] });
        var (prompt, expected) = Cases(All)[0];
        var search = await engine.BeamSearchAsync(prompt, new BeamSearchParams { BeamWidth = 1, MaxTokens = 8, IgnoreEos = true }, lora: All);
        Assert.That(search.TokenIds, Is.EqualTo(expected.Take(8)));
        var (with, without) = (await engine.EmbedAsync(prompt, lora: All), await engine.EmbedAsync(prompt));
        Assert.That(with.Embedding.ToArray(), Is.Not.EqualTo(without.Embedding.ToArray()));
    }

    [Test]
    public async Task A_beam_search_keeps_its_adapter_to_its_end()
    {
        await using var engine = new LlmEngine(Options with { NumKvBlocks = 256, LoraModules = [All] });
        var parameters = new BeamSearchParams { BeamWidth = 2, MaxTokens = 40, IgnoreEos = true };
        var expected = await engine.BeamSearchAsync(new[] { 5, 9, 3 }, parameters, lora: All);
        var steps = engine.Stats.Steps;
        var search = engine.BeamSearchAsync(new[] { 5, 9, 3 }, parameters, lora: All);
        while (engine.Stats.Steps < steps + 5) await Task.Yield();
        Assert.That(engine.RemoveLora("all"));
        await engine.AddLoraAsync(All with { Path = Attention.Path });
        Assert.That((await search).TokenIds, Is.EqualTo(expected.TokenIds));
    }

    [Test]
    public async Task A_request_that_waits_for_room_for_its_adapter_is_counted_and_may_be_aborted()
    {
        var runner = new PagedFakeRunner(256, maxModelLength: 2048);
        await using var engine = new LlmEngine(
            new EngineOptions { Model = "x", SkipTokenizerInit = true, EnableLora = true },
            new EngineParts(runner, null, EosTokens.From(null, []), new SamplingParams(), ""));
        using var stop = new CancellationTokenSource();
        await using var hot = engine.GenerateAsync(new[] { 1 }, new SamplingParams { MaxTokens = 2000 }, lora: new LoraRequest("hot", "/hot"), cancellationToken: stop.Token)
            .GetAsyncEnumerator(default);

        // Until the next output is asked for, the first request keeps its adapter.
        await hot.MoveNextAsync();
        var cold = engine.CompleteAsync(new[] { 1 }, Greedy, "cold", lora: new LoraRequest("cold", "/cold"));
        Assert.That(engine.Stats.WaitingRequests, Is.EqualTo(1));
        var taken = await Assert.ThrowsAsync<InvalidRequestException>(() => engine.CompleteAsync(new[] { 1 }, Greedy, "cold"));
        Assert.That(taken!.Message, Does.Contain("in use"));
        var search = engine.BeamSearchAsync(new[] { 1 }, new BeamSearchParams { BeamWidth = 2, MaxTokens = 4 }, "search", lora: new LoraRequest("cold", "/cold"));
        foreach (var id in (string[])["cold", "search"]) engine.Abort(id);
        Assert.That((await cold).FinishReason, Is.EqualTo("abort"));
        Assert.That((await cold).TokenIds, Is.Empty);
        Assert.That((await search).FinishReason, Is.EqualTo("abort"));
        Assert.That((engine.Stats.WaitingRequests, runner.LoadedAdapters), Is.EqualTo((0, 1)));
        await stop.CancelAsync();
    }

    [Test]
    public async Task Adapters_come_and_go_by_name()
    {
        await using var engine = new LlmEngine(Options with { LoraModules = [All] });
        await engine.AddLoraAsync(Attention);
        Assert.That(engine.ListLoras(), Is.EqualTo(new[] { All, Attention }));
        Assert.That((engine.FindLora("all"), engine.FindLora("other")), Is.EqualTo((All, (LoraRequest?)null)));
        var other = await Assert.ThrowsAsync<InvalidRequestException>(() => engine.AddLoraAsync(All with { Path = Attention.Path }));
        Assert.That(other!.Message, Does.Contain("is known with the path"));
        Assert.That((engine.RemoveLora("all"), engine.RemoveLora("all")), Is.EqualTo((true, false)));
        await engine.AddLoraAsync(All with { Path = Attention.Path });
        var output = await engine.CompleteAsync(Cases(Attention)[0].Prompt, Greedy, lora: engine.FindLora("all"));
        Assert.That(output.TokenIds, Is.EqualTo(Cases(Attention)[0].Greedy));
    }

    [Test]
    public async Task An_adapter_that_is_removed_serves_its_requests_to_their_ends()
    {
        await using var engine = new LlmEngine(Options with { LoraModules = [All] });
        var (prompt, expected) = Cases(All)[1];
        IReadOnlyList<int> tokens = [];
        await foreach (var output in engine.GenerateAsync(prompt, Greedy, lora: All))
        {
            if (tokens.Count == 0)
            {
                Assert.That(engine.RemoveLora("all"));
                await engine.CompleteAsync(prompt, Greedy with { MaxTokens = 1 });
            }

            tokens = output.TokenIds;
        }

        Assert.That(tokens, Is.EqualTo(expected));
    }

    [Test]
    public async Task What_cannot_be_is_refused_for_that_request_alone()
    {
        await using var engine = new LlmEngine(Options with { MaxLoraRank = 4 });
        await AssertRefused(new LoraRequest("a", "/nowhere"), "'a' cannot be loaded", "/nowhere");
        await AssertRefused(All, "max_lora_rank=4");
        await AssertRefused(new LoraRequest("", Attention.Path), "needs a name");
        await Assert.ThrowsAsync<ModelLoadException>(() => engine.AddLoraAsync(All));
        Assert.That((await engine.CompleteAsync(Cases(Attention)[0].Prompt, Greedy, lora: Attention)).TokenIds, Is.EqualTo(Cases(Attention)[0].Greedy));
        await using var plain = new LlmEngine(new EngineOptions { Model = TestModels.Golden("llama"), SkipTokenizerInit = true, NumKvBlocks = 16, NumThreads = 1 });
        var off = await Assert.ThrowsAsync<InvalidRequestException>(() => plain.CompleteAsync(new[] { 1 }, Greedy, lora: All));
        Assert.That(off!.Message, Does.Contain("enable_lora"));
        Assert.That((plain.ListLoras(), plain.RemoveLora("all")), Is.EqualTo((Array.Empty<LoraRequest>(), false)));
        Assert.Throws<ModelLoadException>(() => new LlmEngine(Options with { LoraModules = [new LoraRequest("a", "/nowhere")] }));
        Assert.Throws<ArgumentException>(() => new LlmEngine(Options with { EnableLora = false, LoraModules = [All] }));
        Assert.Throws<ArgumentException>(() => new LlmEngine(Options with { MaxLoras = 3, MaxCpuLoras = 2 }));

        async Task AssertRefused(LoraRequest adapter, params string[] words)
        {
            var error = await Assert.ThrowsAsync<InvalidRequestException>(() => engine.CompleteAsync(new[] { 1 }, Greedy, lora: adapter));
            foreach (var word in words) Assert.That(error!.Message, Does.Contain(word));
        }
    }

    [Test]
    public async Task The_adapter_that_was_used_longest_ago_makes_room()
    {
        var loads = new List<string>();
        var registry = new LoraRegistry(r => Load(r, loads), capacity: 2, () => { });
        foreach (var name in (string[])["a", "b", "a", "c", "a", "b"]) (await registry.AcquireAsync(new LoraRequest(name, "p"), default)).Dispose();
        Assert.That(loads, Is.EqualTo(new[] { "a", "b", "c", "b" }));
        Assert.That(registry.TakeRetired().Select(a => a.Name), Is.EqualTo(new[] { "b", "c" }));
        Assert.That((registry.InMemory, registry.TakeRetired().Count), Is.EqualTo((2, 0)));
    }

    [Test]
    public async Task Where_all_adapters_are_held_the_next_one_waits_for_room()
    {
        var loads = new List<string>();
        var registry = new LoraRegistry(r => Load(r, loads), capacity: 1, () => { });
        var first = await registry.AcquireAsync(new LoraRequest("a", "p"), default);
        var again = await registry.AcquireAsync(new LoraRequest("a", "p"), default);
        var waiting = registry.AcquireAsync(new LoraRequest("b", "p"), default).AsTask();
        using var source = new CancellationTokenSource();
        var cancelled = registry.AcquireAsync(new LoraRequest("c", "p"), source.Token).AsTask();
        await source.CancelAsync();
        await Assert.CatchAsync<OperationCanceledException>(() => cancelled);
        first.Dispose();
        first.Dispose();
        Assert.That(waiting.IsCompleted, Is.False);
        again.Dispose();
        using var second = await waiting;
        Assert.That((second.Adapter.Name, loads), Is.EqualTo(("b", new List<string> { "a", "b" })));
        registry.Close();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => registry.AcquireAsync(new LoraRequest("a", "p"), default).AsTask());
        Assert.That(second.Adapter.IsDisposed);
    }

    [Test]
    public async Task Who_asks_for_an_adapter_in_memory_does_not_go_before_one_who_waits_for_its_room()
    {
        var registry = new LoraRegistry(r => Load(r, []), capacity: 1, () => { });
        var hot = await Acquire("a");
        var cold = Acquire("b").AsTask();
        var later = Acquire("a").AsTask();
        var alsoCold = Acquire("b").AsTask();
        Assert.That((cold.IsCompleted, later.IsCompleted), Is.EqualTo((false, false)));
        hot.Dispose();
        var (first, second) = (await cold, await alsoCold);
        first.Dispose();
        Assert.That(later.IsCompleted, Is.False);
        second.Dispose();
        Assert.That((await later).Adapter.Name, Is.EqualTo("a"));

        ValueTask<LoraLease> Acquire(string name) => registry.AcquireAsync(new LoraRequest(name, "p"), default);
    }

    [Test]
    public async Task One_adapter_alone_makes_room_and_the_others_go_on()
    {
        var registry = new LoraRegistry(r => Load(r, []), capacity: 2, () => { });
        LoraLease busy = await Acquire("a"), busier = await Acquire("a"), quiet = await Acquire("b");
        using var source = new CancellationTokenSource();
        var cold = Acquire("c", source.Token).AsTask();
        (await Acquire("a")).Dispose();
        var drained = Acquire("b").AsTask();
        Assert.That(drained.IsCompleted, Is.False);
        await source.CancelAsync();
        await Assert.CatchAsync<OperationCanceledException>(() => cold);
        (await drained).Dispose();
        foreach (var lease in (LoraLease[])[busy, busier, quiet]) lease.Dispose();

        ValueTask<LoraLease> Acquire(string name, CancellationToken cancellationToken = default) =>
            registry.AcquireAsync(new LoraRequest(name, "p"), cancellationToken);
    }

    [Test]
    public async Task Those_that_wait_for_room_are_served_by_priority_and_arrival()
    {
        var loads = new List<string>();
        var registry = new LoraRegistry(r => Load(r, loads), capacity: 1, () => { });
        var held = await registry.AcquireAsync(new LoraRequest("a", "p"), default);
        var waiting = new[] { ("b", 1), ("c", 1), ("d", 0) }.Select(w => UseAsync(w.Item1, w.Item2)).ToArray();
        held.Dispose();
        await Task.WhenAll(waiting);
        Assert.That(loads, Is.EqualTo(new[] { "a", "d", "b", "c" }));

        async Task UseAsync(string name, int priority) => (await registry.AcquireAsync(new LoraRequest(name, "p"), default, priority)).Dispose();
    }

    [Test]
    public async Task An_adapter_that_fails_to_load_takes_no_room_and_may_be_tried_again()
    {
        var tries = 0;
        var registry = new LoraRegistry(r => ++tries == 1 ? throw new ModelLoadException("not yet") : PagedFakeRunner.Adapter(r.Name), capacity: 1, () => { });
        await Assert.ThrowsAsync<ModelLoadException>(() => registry.AcquireAsync(new LoraRequest("a", "p"), default).AsTask());
        Assert.That(registry.InMemory, Is.Zero);
        using var lease = await registry.AcquireAsync(new LoraRequest("a", "p"), default);
        Assert.That(lease.Adapter.Name, Is.EqualTo("a"));
    }

    [Test]
    public async Task Who_comes_after_thousands_costs_no_more_than_who_comes_first()
    {
        var registry = new LoraRegistry(r => Load(r, []), capacity: 2, () => { });
        LoraLease[] held = [await registry.AcquireAsync(new LoraRequest("a", "p"), default), await registry.AcquireAsync(new LoraRequest("b", "p"), default)];
        var waiting = new List<Task<LoraLease>>();
        var (first, last) = (BytesOf(0), 0L);
        for (var i = 1; i < 20; i++) last = BytesOf(i);
        Assert.That(last, Is.LessThan(2 * first));
        foreach (var lease in held) lease.Dispose();
        var served = 0;
        while (waiting.Count > 0)
        {
            var next = waiting.Find(w => w.IsCompleted) ?? await Task.WhenAny(waiting);
            waiting.Remove(next);
            (await next).Dispose();
            served++;
        }

        Assert.That((served, registry.InMemory), Is.EqualTo((20 * 200, 2)));

        long BytesOf(int round)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 200; i++) waiting.Add(registry.AcquireAsync(new LoraRequest($"{round}-{i % 100}", "p"), default).AsTask());
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Test]
    public async Task Who_waits_for_a_name_that_gets_another_path_hears_of_it_at_once()
    {
        var registry = new LoraRegistry(r => Load(r, []), capacity: 2, () => { });
        foreach (var name in (string[])["a", "a", "b"]) await registry.AcquireAsync(new LoraRequest(name, "p"), default);
        var waiting = registry.AcquireAsync(new LoraRequest("a", "elsewhere"), default).AsTask();
        Assert.That(waiting.IsCompleted, Is.False);
        await registry.AddAsync(new LoraRequest("a", "p"), default);
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => waiting);
        Assert.That(error!.Message, Does.Contain("known with the path 'p'"));
        Assert.That(registry.AcquireAsync(new LoraRequest("a", "elsewhere"), default).AsTask().IsFaulted);
    }

    private static EngineOptions Options => new()
    {
        Model = TestModels.Golden("llama"), Dtype = ModelDtype.Float32, SkipTokenizerInit = true, NumKvBlocks = 64, NumThreads = 1, EnableLora = true, MaxCpuLoras = 4,
    };

    private static LoraAdapter Load(LoraRequest request, List<string> loads)
    {
        loads.Add(request.Name);
        return PagedFakeRunner.Adapter(request.Name);
    }

    private static (int[] Prompt, int[] Greedy)[] Cases(LoraRequest? adapter)
    {
        using var json = TestModels.ReadJson(adapter?.Path ?? TestModels.Golden("llama"), "expected.json");
        return [.. json.RootElement.GetProperty("cases").EnumerateArray().Select(c => (c.GetProperty("prompt").Ints(), c.GetProperty("greedy").Ints()))];
    }
}
