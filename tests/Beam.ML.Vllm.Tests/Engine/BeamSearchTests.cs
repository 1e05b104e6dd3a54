using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Engine.Fakes;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Tests.Sampling;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>Beam search against the plainest one that there is: every text computed from its beginning, all candidates sorted.</summary>
[TestFixture]
public sealed class BeamSearchTests
{
    [Test]
    public async Task It_finds_what_a_plain_search_without_cache_and_batches_finds(
        [Values("llama", "gemma")] string family, [Values(1, 3)] int width, [Values(true, false)] bool prefixCaching)
    {
        var folder = TestModels.Golden(family);
        await using var engine = NewEngine(folder, prefixCaching);
        using var harness = new RunnerHarness(folder);
        using var json = TestModels.ReadJson(folder, "expected.json");
        foreach (var item in json.RootElement.GetProperty("cases").EnumerateArray().Take(3))
        {
            var prompt = item.GetProperty("prompt").Ints();
            var parameters = new BeamSearchParams { BeamWidth = width, MaxTokens = 6, IgnoreEos = true };
            var output = await engine.BeamSearchAsync(prompt, parameters);
            var expected = PlainSearch(harness, prompt, width, steps: 6);
            Assert.That(output.Outputs.Select(o => o.TokenIds), Is.EqualTo(expected.Select(e => e.Tokens.Skip(prompt.Length))));
            Assert.That(output.Outputs.Select(o => o.CumulativeLogprob!.Value), Is.EqualTo(expected.Select(e => e.Score)).Within(1e-3));
            Assert.That(output.Outputs.Select(o => (o.FinishReason, o.StopReason)), Is.All.EqualTo(("length", (object?)null)));
            foreach (var completion in output.Outputs)
            {
                Assert.That(completion.Logprobs!.Select(p => p.Token.TokenId), Is.EqualTo(completion.TokenIds));
                Assert.That(completion.Logprobs!.Sum(p => (double)p.Token.Logprob), Is.EqualTo(completion.CumulativeLogprob).Within(1e-9));
            }
        }

        if (width == 1) return;
        Assert.That(engine.Stats.PrefixCacheHits > 0, Is.EqualTo(prefixCaching));
    }

    [Test]
    public async Task The_widest_beam_finds_the_likeliest_of_all_texts()
    {
        var folder = TestModels.Golden("llama");
        await using var engine = NewEngine(folder, prefixCaching: true);
        using var harness = new RunnerHarness(folder);
        var output = await engine.BeamSearchAsync(new[] { 5, 9 }, new BeamSearchParams { BeamWidth = BeamSearchParams.MaxBeamWidth, MaxTokens = 2, IgnoreEos = true });
        var best = (Tokens: Array.Empty<int>(), Score: double.NegativeInfinity);
        var first = Next(harness, [5, 9]);
        for (var a = 0; a < first.Length; a++)
        {
            var second = Next(harness, [5, 9, a]);
            var b = Array.IndexOf(second, second.Max());
            if (first[a] + second[b] > best.Score) best = ([a, b], first[a] + second[b]);
        }

        Assert.That(output.TokenIds, Is.EqualTo(best.Tokens));
        Assert.That(output.Outputs, Has.Count.EqualTo(BeamSearchParams.MaxBeamWidth));
    }

    [Test]
    public async Task An_end_of_sequence_completes_a_text_and_the_length_penalty_decides_between_short_and_long()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 2, NumKvBlocks = 256 });
        const string Question = "What is the capital of France?";
        var parameters = new BeamSearchParams { BeamWidth = 4, MaxTokens = 16 };
        var greedy = await engine.CompleteAsync(Question, new SamplingParams { Temperature = 0, MaxTokens = 16 });
        var output = await engine.BeamSearchAsync(Question, parameters);
        var ended = output.Outputs.First(o => o.FinishReason == "stop");
        Assert.Multiple(() =>
        {
            Assert.That(output.Outputs, Has.Count.EqualTo(4));
            Assert.That(output.Text, Is.EqualTo(greedy.Text));
            Assert.That(ended.TokenIds, Does.Not.Contain(ended.StopReason));
            Assert.That(output.Outputs.Select(o => o.Text), Is.Unique);
        });
        var kept = (await engine.BeamSearchAsync(Question, parameters with { IncludeStopStringInOutput = true })).Outputs.First(o => o.FinishReason == "stop");
        Assert.That((kept.TokenIds[^1], kept.Text), Is.EqualTo(((int)kept.StopReason!, ended.Text)));
        var brief = await engine.BeamSearchAsync(Question, parameters with { LengthPenalty = 0 });
        Assert.That(brief.Outputs.Select(o => o.CumulativeLogprob), Is.Ordered.Descending);
        var lengthy = await engine.BeamSearchAsync(Question, parameters with { LengthPenalty = 50 });
        Assert.That(lengthy.TokenIds.Count, Is.GreaterThanOrEqualTo(brief.TokenIds.Count));
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => engine.BeamSearchAsync(Question, parameters with { BeamWidth = 0 }));
        Assert.That(error!.Message, Does.Contain("beam_width must be at least 1"));
    }

    [Test]
    public async Task A_beam_has_a_limit_of_its_own_whatever_max_logprobs_says()
    {
        await using var engine = NewFake(maxLogprobs: -1);
        var parameters = new BeamSearchParams { BeamWidth = BeamSearchParams.MaxBeamWidth + 1, MaxTokens = 2 };
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => engine.BeamSearchAsync(new[] { 1 }, parameters));
        Assert.That(error!.Message, Does.Contain($"beam_width must be at most {BeamSearchParams.MaxBeamWidth}, got {BeamSearchParams.MaxBeamWidth + 1}"));
    }

    [Test]
    public async Task A_search_that_is_aborted_by_its_id_ends_with_what_it_has()
    {
        await using var engine = NewEngine(TestModels.Golden("llama"), prefixCaching: true);
        var search = engine.BeamSearchAsync(new[] { 5, 9, 3 }, new BeamSearchParams { BeamWidth = 3, MaxTokens = engine.MaxModelLength, IgnoreEos = true }, "search");
        var taken = await Assert.ThrowsAsync<InvalidRequestException>(() => engine.CompleteAsync(new[] { 1 }, requestId: "search"));
        Assert.That(taken!.Message, Does.Contain("search is in use"));
        engine.Abort("search");
        var output = await search;
        Assert.That((output.RequestId, output.Finished), Is.EqualTo(("search", true)));
        Assert.That(output.Outputs.Select(o => o.FinishReason), Is.All.EqualTo("abort"));
        await engine.BeamSearchAsync(new[] { 5 }, new BeamSearchParams { BeamWidth = 1, MaxTokens = 1 }, "search");
    }

    [Test]
    public async Task A_search_counts_as_one_request()
    {
        await using var engine = NewEngine(TestModels.Golden("llama"), prefixCaching: true);
        await engine.BeamSearchAsync(new[] { 5, 9, 3 }, new BeamSearchParams { BeamWidth = 3, MaxTokens = 6, IgnoreEos = true });
        Assert.That((engine.Stats.FinishedRequests, engine.Stats.PromptTokens), Is.EqualTo((1, 3)));
        var metrics = engine.Metrics.Collect().ToDictionary(m => m.Name);
        Assert.That(metrics["vllm:request_success"].Samples.Select(s => s.Value).Where(v => v > 0), Is.EqualTo(new[] { 1.0 }));
        foreach (var name in (string[])["e2e_request_latency_seconds", "time_to_first_token_seconds", "request_generation_tokens", "request_params_n"])
            Assert.That(metrics[$"vllm:{name}"].Samples.Single().Histogram!.Count, Is.EqualTo(1), name);
        Assert.That(metrics["vllm:request_generation_tokens"].Samples.Single().Histogram!.Sum, Is.EqualTo(6));
        Assert.That(metrics["vllm:request_params_n"].Samples.Single().Histogram!.Sum, Is.EqualTo(3));
    }

    [Test]
    public async Task All_steps_of_a_search_have_the_place_of_its_first_among_the_requests()
    {
        var arrivals = new List<long>();
        var (load, engine) = (new List<Task<RequestOutput>>(), default(LlmEngine)!);
        var runner = new PagedFakeRunner(64)
        {
            Started = sequence =>
            {
                if (!sequence.IsSearchStep) return;
                arrivals.Add(sequence.Arrival);

                // Between any two steps others come, who find the waiting room full.
                for (var i = 0; i < 2; i++) load.Add(engine.CompleteAsync(new[] { 7, i }, new SamplingParams { MaxTokens = 5, IgnoreEos = true }));
            },
        };
        var options = new EngineOptions { Model = "x", SkipTokenizerInit = true, MaxNumSequences = 2, MaxWaitingRequests = 1 };
        await using var it = engine = new LlmEngine(options, new EngineParts(runner, null, EosTokens.From(null, []), new SamplingParams(), ""));
        await engine.BeamSearchAsync(new[] { 3, 1 }, new BeamSearchParams { BeamWidth = 2, MaxTokens = 6, IgnoreEos = true });
        Assert.That(arrivals, Has.Count.EqualTo(1 + (5 * 2)));
        Assert.That(arrivals.Distinct().ToArray(), Has.Length.EqualTo(1));
        Assert.That((await Task.WhenAll(load)).Select(o => o.TokenIds.Count), Is.All.EqualTo(5));
    }

    [Test]
    public async Task Beams_find_the_blocks_of_those_that_they_continue()
    {
        int[] prompt = [.. Enumerable.Range(0, 70).Select(i => i * 7 % 23)];
        var parameters = new BeamSearchParams { BeamWidth = 3, MaxTokens = 40, IgnoreEos = true };
        await using LlmEngine cached = NewFake(prefixCaching: true), plain = NewFake(prefixCaching: false);
        var (output, expected) = (await cached.BeamSearchAsync(prompt, parameters), await plain.BeamSearchAsync(prompt, parameters));
        Assert.That(output.Outputs.Select(o => o.TokenIds), Is.EqualTo(expected.Outputs.Select(o => o.TokenIds)));
        Assert.That(cached.Stats.ComputedTokens, Is.LessThan(70 + (40 * 3 * 17)));
    }

    [Test]
    public async Task The_log_hears_once_that_a_search_does_without_the_prefix_cache([Values] bool prefixCaching)
    {
        var log = new List<string>();
        await using var engine = NewFake(prefixCaching: prefixCaching, log: log.Add);
        for (var i = 0; i < 2; i++) await engine.BeamSearchAsync(new[] { 1 }, new BeamSearchParams { BeamWidth = 2, MaxTokens = 2 });
        Assert.That(log.Count(line => line.Contains("Beam search without prefix caching", StringComparison.Ordinal)), Is.EqualTo(prefixCaching ? 0 : 1));
    }

    private static LlmEngine NewFake(int maxLogprobs = 20, bool prefixCaching = true, Action<string>? log = null) => new(
        new EngineOptions { Model = "x", SkipTokenizerInit = true, MaxLogprobs = maxLogprobs, EnablePrefixCaching = prefixCaching, Log = log },
        new EngineParts(new PagedFakeRunner(64), null, EosTokens.From(null, []), new SamplingParams(), ""));

    private static LlmEngine NewEngine(string folder, bool prefixCaching) => new(new EngineOptions
    {
        Model = folder, Dtype = ModelDtype.Float32, SkipTokenizerInit = true, NumThreads = 2, NumKvBlocks = 512, EnablePrefixCaching = prefixCaching,
    });

    private static List<(int[] Tokens, double Score)> PlainSearch(RunnerHarness harness, int[] prompt, int width, int steps)
    {
        var beams = new List<(int[] Tokens, double Score)> { (prompt, 0) };
        for (var i = 0; i < steps; i++)
        {
            beams = [.. beams
                .SelectMany(beam => Next(harness, beam.Tokens).Select((logprob, token) => (Tokens: (int[])[.. beam.Tokens, token], Score: beam.Score + logprob)))
                .OrderByDescending(b => b.Score).Take(width)];
        }

        return beams;
    }

    private static double[] Next(RunnerHarness harness, int[] tokens)
    {
        var sequence = RunnerHarness.NewSequence(tokens);
        var logprobs = LogSoftmaxTests.Reference(harness.Logits(sequence)[^1]);
        harness.Free(sequence);
        return logprobs;
    }
}
