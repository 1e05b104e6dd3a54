using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.Tests.Engine.Fakes;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

[TestFixture]
public sealed class InputProcessorTests
{
    [Test]
    public async Task Completions_share_their_prompt_and_all_that_is_made_of_it()
    {
        const int Length = 90_000, Count = 1000;
        await using var engine = NewEngine();
        var inputs = new InputProcessor(engine, EosTokens.From(null, []));
        var prompt = new int[Length];
        var parameters = new SamplingParams
        {
            N = Count, RepetitionPenalty = 1.1, Seed = 1, LogitBias = Enumerable.Range(0, PagedFakeRunner.Vocabulary).ToDictionary(i => i, _ => 1f),
        };
        var before = GC.GetAllocatedBytesForCurrentThread();
        var request = Make(inputs, prompt, parameters);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.That(request.Sequences, Has.Count.EqualTo(Count));
        Assert.That(allocated, Is.LessThan((4 * Length * sizeof(int)) + (Count * 4096L)));

        var sets = request.Sequences.Select(s => s!.Value.Sequence.SamplerState.PromptSet).Distinct().ToArray();
        Assert.That(sets, Has.Length.EqualTo(1));
        Assert.That(sets[0], Is.EquivalentTo(new[] { 0 }));
    }

    [Test]
    public async Task The_blocks_of_a_prompt_are_hashed_once_for_all_its_completions()
    {
        await using var engine = NewEngine();
        var parameters = new SamplingParams { N = 2, Seed = 1, MaxTokens = 40 };
        var request = Make(new InputProcessor(engine, EosTokens.From(null, [])), Enumerable.Range(0, 40).Select(i => i % 24).ToArray(), parameters);
        var blocks = new BlockManager(64, 16, enablePrefixCaching: true);
        var sequences = request.Sequences.Select(s => s!.Value.Sequence).ToArray();
        foreach (var sequence in sequences)
        {
            Assert.That(blocks.AttachPrefix(sequence), Is.EqualTo(sequence == sequences[0] ? 0 : 32));
            Assert.That(blocks.TryGrow(sequence, 80), Is.True);
            blocks.Publish(sequence, 0, 40);
            for (var i = 0; i < 40; i++) sequence.Append((i + (sequence == sequences[0] ? 0 : 1)) % 24);
            blocks.Publish(sequence, 40, 80);
        }

        blocks.CheckInvariants(sequences);
        Assert.That(sequences[1].PromptBlockHashes, Is.SameAs(sequences[0].PromptBlockHashes).And.Count.EqualTo(2));
        Assert.That(sequences.Select(s => s.BlockHashes.Count), Is.EqualTo(new[] { 3, 3 }));
    }

    [Test]
    public async Task A_completion_that_has_ended_is_let_go_of_before_the_others_end()
    {
        await using var engine = NewEngine();
        var parameters = new SamplingParams { N = 3, Seed = 1 };
        var request = Make(new InputProcessor(engine, EosTokens.From(null, [])), new[] { 1 }, parameters);
        using var core = new EngineCore(new PagedFakeRunner(64), new EngineOptions { Model = "fake" }, EosTokens.From(null, []));
        foreach (var entry in request.Sequences) core.Add(entry!.Value.Sequence, entry.Value.Output);
        core.Step();
        core.Abort(request.Sequences[1]!.Value.Sequence);
        Assert.That(request.Sequences.Select(s => s is null), Is.EqualTo(new[] { false, true, false }));
        while (core.Step())
        {
        }

        Assert.That(request.Sequences, Is.All.Null);
        Assert.That((await request.Output.TakeAsync(default)).Outputs.Select(o => o.FinishReason), Is.EqualTo(new[] { "length", "abort", "length" }));
    }

    [Test]
    public async Task A_seed_that_is_derived_is_a_seed_whatever_its_number()
    {
        var sampled = new SamplingParams { Temperature = 2, MaxTokens = 24 };
        await using var first = NewEngine(seed: -2);
        await using var second = NewEngine(seed: -2);

        // The engine's seed counts on with each request: the first gets -1.
        for (var i = 0; i < 3; i++) Assert.That(await TokensAsync(first, sampled), Is.EqualTo(await TokensAsync(second, sampled)));
        var completions = sampled with { N = 3, Seed = -2 };
        Assert.That(await TokensAsync(first, completions), Is.EqualTo(await TokensAsync(second, completions)));

        async Task<int[][]> TokensAsync(LlmEngine engine, SamplingParams parameters) =>
            [.. (await engine.CompleteAsync(new[] { 1, 2, 3 }, parameters)).Outputs.Select(o => o.TokenIds.ToArray())];
    }

    [Test]
    public async Task An_id_that_nobody_chose_is_none_that_somebody_did()
    {
        await using var engine = NewEngine();
        var greedy = new SamplingParams { Temperature = 0, MaxTokens = 2 };
        var held = new List<IAsyncEnumerator<RequestOutput>>();

        // Taken by requests that do not end before those without an id have.
        for (var i = 0; i < 8; i++)
        {
            held.Add(engine.GenerateAsync(new[] { 1, 2 }, greedy with { MaxTokens = null }, requestId: $"req-{i}").GetAsyncEnumerator());
            await held[^1].MoveNextAsync();
        }

        for (var i = 0; i < 8; i++) Assert.That((await engine.CompleteAsync(new[] { 1 }, greedy)).Finished);
        foreach (var output in held) await output.DisposeAsync();
    }

    [Test]
    public async Task What_prompts_share_is_made_once()
    {
        await using var engine = await LlmEngine.LoadAsync(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 64 });

        // Longer than what is kept from request to request.
        var constraint = new StructuredOutputsParams { Choice = [.. Enumerable.Range(0, 20_000).Select(i => $"number {i}")] };
        var prepared = engine.Prepare(new SamplingParams { BadWords = ["Paris"], StructuredOutputs = constraint }, CancellationToken.None);
        var inputs = new InputProcessor(engine, EosTokens.From(1, []));
        var sequences = new[] { 2, 3 }.Select(id => inputs.Generation(new[] { id }, null, prepared, null, 0).Sequences[0]!.Value.Sequence).ToArray();
        Assert.That(prepared.Constraint, Is.Not.Null);
        Assert.That(sequences.Select(s => s.Parameters.BadWordsTokenIds), Is.All.SameAs(prepared.Parameters.BadWordsTokenIds).And.All.Not.Empty);
        var before = GC.GetAllocatedBytesForCurrentThread();
        inputs.Generation(new[] { 4 }, null, prepared, null, 0);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(100_000), "a prompt more");
    }

    [Test]
    public async Task Nothing_is_made_for_a_request_that_has_been_cancelled()
    {
        await using var engine = NewEngine();
        Assert.That(() => engine.Prepare(new SamplingParams(), new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
    }

    private static RequestGroup Make(InputProcessor inputs, ReadOnlySpan<int> prompt, SamplingParams parameters) =>
        inputs.Generation(prompt, null, inputs.Prepare(parameters), "r", 0);

    private static LlmEngine NewEngine(long? seed = null) => new(
        new EngineOptions { Model = "fake", SkipTokenizerInit = true, Seed = seed },
        new EngineParts(new PagedFakeRunner(8000, maxModelLength: 100_000), null, EosTokens.From(null, []), new SamplingParams(), ""));
}
