using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Engine.Fakes;
using Beam.ML.Vllm.Tests.Models;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

[TestFixture]
public sealed class EngineMetricsTests
{
    [Test]
    public async Task Drafts_are_counted_by_the_place_of_the_tokens_that_came_true()
    {
        var options = new EngineOptions { Model = "fake", SkipTokenizerInit = true, SpeculativeConfig = new() { NumSpeculativeTokens = 4, PromptLookupMin = 1, PromptLookupMax = 3 } };
        await using var engine = new LlmEngine(options, new EngineParts(new PagedFakeRunner(64), null, EosTokens.From(null, []), new SamplingParams(), ""));
        await engine.CompleteAsync(new[] { 3, 1, 4 }, new SamplingParams { Temperature = 0, MaxTokens = 100 });
        var metrics = engine.Metrics.Collect().ToDictionary(m => m.Name);
        var places = metrics["vllm:spec_decode_num_accepted_tokens_per_pos"].Samples;
        Assert.That(places.Select(p => p.Labels.Single()), Is.EqualTo(Enumerable.Range(0, 4).Select(i => new KeyValuePair<string, string>("position", $"{i}"))));
        Assert.That(places.Select(p => p.Value), Is.Ordered.Descending);
        Assert.That(places.Sum(p => p.Value), Is.Positive.And.EqualTo(metrics["vllm:spec_decode_num_accepted_tokens"].Samples[0].Value));
    }

    [Test]
    public async Task The_adapters_that_run_and_that_are_waited_for_are_named()
    {
        using ManualResetEventSlim started = new(), goOn = new();
        var runner = new PagedFakeRunner(64)
        {
            Started = _ =>
            {
                started.Set();
                goOn.Wait();
            },
        };
        var options = new EngineOptions { Model = "fake", SkipTokenizerInit = true, EnableLora = true, MaxLoras = 1, MaxCpuLoras = 1 };
        await using var engine = new LlmEngine(options, new EngineParts(runner, null, EosTokens.From(null, []), new SamplingParams(), ""));
        Assert.That(Labels(), Is.EqualTo("1, , "));
        var requests = new[] { "b", "a", "c" }.Select(name => engine.CompleteAsync(new[] { 3 }, new SamplingParams { MaxTokens = 2 }, lora: new LoraRequest(name, "p"))).ToArray();
        started.Wait();
        Assert.That(Labels(), Is.EqualTo("1, b, a,c"));
        goOn.Set();
        await Task.WhenAll(requests);
        Assert.That(Labels(), Is.EqualTo("1, , "));

        string Labels() => string.Join(", ", engine.Metrics.Collect().Single(m => m.Name == "vllm:lora_requests_info").Samples.Single().Labels.Select(l => l.Value));
    }

    [Test]
    public async Task Requests_are_counted_and_timed_under_vLLMs_names()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, ServedModelName = "counted", NumThreads = 1, NumKvBlocks = 64 });
        var heard = new ConcurrentDictionary<string, double>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == EngineMetrics.MeterName) l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
        {
            if (IsOurs(tags)) heard.AddOrUpdate(instrument.Name, value, (_, sum) => instrument is Histogram<double> ? sum + value : value);
        });
        listener.Start();

        int[] prompt = [.. Enumerable.Range(10, 40)];
        var parameters = new SamplingParams { Temperature = 1, Seed = 1, MaxTokens = 6, IgnoreEos = true };
        await engine.CompleteAsync(prompt, parameters with { N = 3 });
        await engine.CompleteAsync(prompt, parameters with { StopTokenIds = [.. Enumerable.Range(0, engine.VocabularySize)] });
        listener.RecordObservableInstruments();
        var metrics = engine.Metrics.Collect().ToDictionary(m => m.Name);

        Assert.Multiple(() =>
        {
            Assert.That(Value("num_requests_running"), Is.Zero);
            Assert.That(Value("prompt_tokens"), Is.EqualTo(160));
            Assert.That(Value("prompt_tokens_cached"), Is.EqualTo(3 * 32));
            Assert.That(
                metrics["vllm:prompt_tokens_by_source"].Samples.Select(m => (m.Labels[0].Value, m.Value)), Is.EqualTo(new[] { ("local_compute", 64.0), ("local_cache_hit", 96.0) }));
            Assert.That((Histogram("request_prefill_kv_computed_tokens").Count, Histogram("request_prefill_kv_computed_tokens").Sum), Is.EqualTo((4L, 64.0)));
            Assert.That(metrics.Keys.Where(name => name.Contains("spec_decode") || name.Contains("lora")), Is.Empty, "of what is not in use");
            Assert.That(Value("generation_tokens"), Is.EqualTo(19));
            Assert.That(Value("prefix_cache_hits"), Is.EqualTo(3 * 32));
            Assert.That(Value("prefix_cache_queries"), Is.EqualTo(4 * 40));
            Assert.That(metrics["vllm:request_success"].Samples.Where(s => s.Value > 0).Select(s => (s.Labels[0].Value, s.Value)), Is.EquivalentTo(new[] { ("length", 3.0), ("stop", 1.0) }));
            Assert.That(Histogram("time_to_first_token_seconds").Count, Is.EqualTo(4));
            Assert.That(Histogram("inter_token_latency_seconds").Count, Is.EqualTo(15));
            Assert.That(Histogram("time_per_output_token_seconds").Count, Is.EqualTo(15));
            Assert.That(Histogram("request_time_per_output_token_seconds").Count, Is.EqualTo(3));
            foreach (var name in new[] { "e2e_request_latency", "request_queue_time", "request_prefill_time", "request_decode_time", "request_inference_time" })
                Assert.That(Histogram(name + "_seconds").Count, Is.EqualTo(4), name);
            Assert.That(Histogram("request_inference_time_seconds").Sum, Is.EqualTo(Histogram("request_prefill_time_seconds").Sum + Histogram("request_decode_time_seconds").Sum).Within(1e-4));
            Assert.That((Histogram("request_params_n").Count, Histogram("request_params_n").Sum), Is.EqualTo((2L, 4.0)));
            Assert.That((Histogram("request_params_max_tokens").Count, Histogram("request_params_max_tokens").Sum), Is.EqualTo((4L, 24.0)));
            Assert.That((Histogram("request_max_num_generation_tokens").Count, Histogram("request_max_num_generation_tokens").Sum), Is.EqualTo((2L, 7.0)));
            Assert.That(Histogram("request_prompt_tokens").CumulativeCounts, Is.EqualTo(new long[] { 0, 0, 0, 0, 0, 4, 4, 4, 4, 4 }));
            Assert.That(Histogram("request_prompt_tokens").Bounds, Is.EqualTo(new double[] { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000 }));
            Assert.That(Histogram("iteration_tokens_total").Sum, Is.EqualTo(engine.Stats.ComputedTokens));
            Assert.That(metrics["vllm:cache_config_info"].Samples[0].Labels, Does.Contain(new KeyValuePair<string, string>("num_gpu_blocks", "64")));

            // Listeners hear the same.
            Assert.That(heard["vllm.generation_tokens"], Is.EqualTo(19));
            Assert.That(heard["vllm.request_generation_tokens"], Is.EqualTo(19));
            Assert.That(heard["vllm.time_to_first_token_seconds"], Is.EqualTo(Histogram("time_to_first_token_seconds").Sum).Within(1e-9));
        });

        double Value(string name) => metrics["vllm:" + name].Samples.Single().Value;

        HistogramSnapshot Histogram(string name) => metrics["vllm:" + name].Samples.Single().Histogram!;

        static bool IsOurs(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            foreach (var tag in tags)
            {
                if (tag is { Key: "model_name", Value: "counted" }) return true;
            }

            return false;
        }
    }

    [Test]
    public async Task A_listener_that_throws_harms_no_request()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, ServedModelName = "badly-watched", NumThreads = 1, NumKvBlocks = 64 });
        var thrown = new ConcurrentDictionary<string, int>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument is Histogram<double> && instrument.Meter.Name == EngineMetrics.MeterName) l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) =>
        {
            // Engines of other tests are watched as well.
            if (tags[0] is not { Key: "model_name", Value: "badly-watched" }) return;
            thrown.AddOrUpdate(instrument.Name, 1, (_, count) => count + 1);
            throw new FormatException("a bug of the listener");
        });
        listener.Start();
        var output = await engine.CompleteAsync(new[] { 5, 6 }, new SamplingParams { MaxTokens = 4, IgnoreEos = true });
        var again = await engine.CompleteAsync(new[] { 5, 6 }, new SamplingParams { MaxTokens = 4, IgnoreEos = true });
        Assert.Multiple(() =>
        {
            Assert.That((output.TokenIds.Count, again.TokenIds.Count, engine.IsAlive), Is.EqualTo((4, 4, true)));
            Assert.That(thrown, Contains.Key("vllm.e2e_request_latency_seconds"));
            Assert.That(thrown.Values, Is.All.EqualTo(1), "what failed is not asked again");
            Assert.That(engine.Metrics.Collect().Single(m => m.Name == "vllm:e2e_request_latency_seconds").Samples[0].Histogram!.Count, Is.EqualTo(2));
        });
    }

    [Test]
    public async Task A_request_that_is_given_up_counts_as_aborted()
    {
        await using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 64 });
        await foreach (var output in engine.GenerateAsync(new[] { 5 }, new SamplingParams { MaxTokens = null, IgnoreEos = true }, "given-up")) engine.Abort("given-up");
        var aborted = engine.Metrics.Collect().Single(m => m.Name == "vllm:request_success").Samples.Single(s => s.Labels[0].Value == "abort");
        Assert.That(aborted.Value, Is.EqualTo(1));
    }
}
