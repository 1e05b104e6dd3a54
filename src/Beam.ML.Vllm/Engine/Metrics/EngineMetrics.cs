using System.Diagnostics;
using System.Diagnostics.Metrics;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// An engine's metrics under vLLM's names. <see cref="Collect"/> reads them all, for a <c>/metrics</c> page; the same numbers are instruments
/// of the meter <see cref="MeterName"/> (as <c>vllm.num_requests_running</c> and so on, tagged with <c>model_name</c>), for OpenTelemetry
/// and <c>dotnet-counters</c>. Times are in seconds.
/// </summary>
/// <remarks>
/// Gauges: num_requests_running, num_requests_waiting, kv_cache_usage_perc, cache_config_info, and with adapters lora_requests_info (by name,
/// running and waiting, at the time that is its value). Counters: prefix_cache_queries, prefix_cache_hits, num_preemptions, prompt_tokens,
/// prompt_tokens_cached, prompt_tokens_by_source (local_compute and local_cache_hit), generation_tokens, request_success by finished_reason,
/// and with speculation spec_decode_num_drafts, spec_decode_num_draft_tokens, spec_decode_num_accepted_tokens and
/// spec_decode_num_accepted_tokens_per_pos. Histograms: time_to_first_token_seconds, inter_token_latency_seconds
/// (and as time_per_output_token_seconds, its older name), request_time_per_output_token_seconds, e2e_request_latency_seconds,
/// request_queue_time_seconds, request_prefill_time_seconds, request_decode_time_seconds, request_inference_time_seconds,
/// request_prompt_tokens, request_prefill_kv_computed_tokens, request_generation_tokens, request_max_num_generation_tokens, request_params_n,
/// request_params_max_tokens, iteration_tokens_total. What vLLM has beside (sleeping, corrupted requests, transfers of caches) is nothing
/// that happens here. Each completion of a request counts as one, but in request_params_n and request_max_num_generation_tokens; a beam
/// search counts as one by its longest completion.
/// Listeners hear of histograms on the engine's own thread: a slow one slows every step, and where one throws, listeners hear no more of that
/// histogram, while <see cref="Collect"/> goes on.
/// </remarks>
public sealed class EngineMetrics : IDisposable
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Beam.ML.Vllm";

    internal const string Prefix = "vllm:";
    internal const string InstrumentPrefix = "vllm.";

    private static readonly Scalar[] Scalars =
    [
        new("num_requests_running", "Requests that are being computed.", MetricKind.Gauge, s => s.RunningRequests),
        new("num_requests_waiting", "Requests that wait to be computed.", MetricKind.Gauge, s => s.WaitingRequests),
        new("kv_cache_usage_perc", "The part of the KV cache's blocks in use; 1 is all of it.", MetricKind.Gauge, s => s.KvCacheUsage),
        new("prefix_cache_queries", "Tokens looked up in the prefix cache.", MetricKind.Counter, s => s.PrefixCacheQueries),
        new("prefix_cache_hits", "Tokens found in the prefix cache.", MetricKind.Counter, s => s.PrefixCacheHits),
        new("num_preemptions", "Times that a request gave its blocks back to start over.", MetricKind.Counter, s => s.Preemptions),
        new("prompt_tokens", "Prompt tokens processed.", MetricKind.Counter, s => s.PromptTokens),
        new("prompt_tokens_cached", "Prompt tokens found in the prefix cache.", MetricKind.Counter, s => s.CachedPromptTokens),
        new("generation_tokens", "Tokens generated.", MetricKind.Counter, s => s.GenerationTokens),
    ];

    private static readonly Scalar[] OfSpeculation =
    [
        new("spec_decode_num_drafts", "Times that tokens were guessed ahead.", MetricKind.Counter, s => s.SpecDecodeDrafts),
        new("spec_decode_num_draft_tokens", "Tokens guessed ahead.", MetricKind.Counter, s => s.SpecDecodeDraftTokens),
        new("spec_decode_num_accepted_tokens", "Tokens guessed ahead that came true.", MetricKind.Counter, s => s.SpecDecodeAcceptedTokens),
    ];

    private static readonly FinishReason[] Reasons = Enum.GetValues<FinishReason>();

    private readonly Meter _meter;
    private readonly Scalar[] _scalars;
    private readonly int? _maxLoras;
    private readonly Func<EngineStats> _stats;
    private readonly MetricFamily _cacheConfig;
    private readonly long[] _finished = new long[Reasons.Length];
    private readonly MetricHistogram _timeToFirstToken;
    private readonly MetricHistogram _interTokenLatency;
    private readonly MetricHistogram _timePerOutputToken;
    private readonly MetricHistogram _latency;
    private readonly MetricHistogram _queueTime;
    private readonly MetricHistogram _prefillTime;
    private readonly MetricHistogram _decodeTime;
    private readonly MetricHistogram _inferenceTime;
    private readonly MetricHistogram _promptTokens;
    private readonly MetricHistogram _prefillTokens;
    private readonly MetricHistogram _generationTokens;
    private readonly MetricHistogram _maxGenerationTokens;
    private readonly MetricHistogram _n;
    private readonly MetricHistogram _maxTokens;
    private readonly MetricHistogram _iterationTokens;

    internal EngineMetrics(EngineOptions options, int maxModelLength, int blocks, Func<EngineStats> stats)
    {
        _stats = stats;
        _meter = new Meter(MeterName);
        var model = options.ModelName;
        var tags = new[] { new KeyValuePair<string, object?>("model_name", model) };
        _scalars = options.SpeculativeConfig is null ? Scalars : [.. Scalars, .. OfSpeculation];
        if (options.EnableLora) _maxLoras = options.MaxLoras;
        foreach (var scalar in _scalars)
        {
            Measurement<double> Observe() => new(scalar.Read(_stats()), tags);
            if (scalar.Kind == MetricKind.Gauge) _meter.CreateObservableGauge(InstrumentPrefix + scalar.Name, Observe, description: scalar.Help);
            else _meter.CreateObservableCounter(InstrumentPrefix + scalar.Name, Observe, description: scalar.Help);
        }

        _meter.CreateObservableCounter(
            InstrumentPrefix + "request_success",
            () => Reasons.Select(r => new Measurement<long>(_finished[(int)r], [.. tags, new("finished_reason", NameOf(r))])),
            description: "Requests that have ended.");
        _cacheConfig = new MetricFamily(Prefix + "cache_config_info", "How the KV cache is set up.", MetricKind.Gauge, [new MetricSample(
        [
            new("block_size", $"{options.BlockSize}"),
            new("enable_prefix_caching", options.EnablePrefixCaching ? "True" : "False"),
            new("num_gpu_blocks", $"{blocks}"),
        ], 1)]);

        MetricHistogram Seconds(string name, string help, double[] bounds) => new(_meter, model, name, help, "s", bounds);
        MetricHistogram Tokens(string name, string help, double[]? bounds = null) =>
            new(_meter, model, name, help, "{token}", bounds ?? MetricBounds.OneTwoFive(maxModelLength));
        _timeToFirstToken = Seconds("time_to_first_token_seconds", "From a request's arrival to its first token.", MetricBounds.FirstToken);
        _interTokenLatency = Seconds("inter_token_latency_seconds", "From one token of a request to the next.", MetricBounds.Token);
        _timePerOutputToken = Seconds("request_time_per_output_token_seconds", "A request's time for a token after its first one, on average.", MetricBounds.Token);
        _latency = Seconds("e2e_request_latency_seconds", "From a request's arrival to its end.", MetricBounds.Request);
        _queueTime = Seconds("request_queue_time_seconds", "From a request's arrival to its first step.", MetricBounds.Request);
        _prefillTime = Seconds("request_prefill_time_seconds", "From a request's first step to its first token.", MetricBounds.Request);
        _decodeTime = Seconds("request_decode_time_seconds", "From a request's first token to its last.", MetricBounds.Request);
        _inferenceTime = Seconds("request_inference_time_seconds", "From a request's first step to its last token.", MetricBounds.Request);
        _promptTokens = Tokens("request_prompt_tokens", "Tokens of a request's prompt.");
        _prefillTokens = Tokens("request_prefill_kv_computed_tokens", "Tokens of a request's prompt that were computed, cached ones not included.");
        _generationTokens = Tokens("request_generation_tokens", "Tokens generated for a request.");
        _maxGenerationTokens = Tokens("request_max_num_generation_tokens", "Tokens of the longest completion of a request.");
        _n = new(_meter, model, "request_params_n", "A request's parameter n.", "{completion}", MetricBounds.Completions);
        _maxTokens = Tokens("request_params_max_tokens", "A request's parameter max_tokens.");
        _iterationTokens = Tokens("iteration_tokens_total", "Tokens computed in a step.", MetricBounds.Iteration);
    }

    /// <summary>The names of the adapters that requests run with, and of those that they wait for; null where there are none to have.</summary>
    internal Func<(IEnumerable<string> Running, IEnumerable<string> Waiting)>? Adapters { private get; set; }

    /// <summary>All metrics at this moment.</summary>
    public IReadOnlyList<MetricFamily> Collect()
    {
        var stats = _stats();
        return
        [
            .. _scalars.Select(s => new MetricFamily(Prefix + s.Name, s.Help, s.Kind, [new MetricSample([], s.Read(stats))])),
            .. OfPositions(stats), .. OfAdapters(),
            new MetricFamily(Prefix + "prompt_tokens_by_source", "Prompt tokens processed, by where they came from.", MetricKind.Counter,
            [
                new MetricSample([new("source", "local_compute")], stats.PromptTokens - stats.CachedPromptTokens),
                new MetricSample([new("source", "local_cache_hit")], stats.CachedPromptTokens),
            ]),
            new MetricFamily(Prefix + "request_success", "Requests that have ended, by the reason.", MetricKind.Counter,
                [.. Reasons.Select(r => new MetricSample([new("finished_reason", NameOf(r))], Volatile.Read(ref _finished[(int)r])))]),
            _cacheConfig,
            _timeToFirstToken.Read(), _interTokenLatency.Read(), _interTokenLatency.Read("time_per_output_token_seconds"), _timePerOutputToken.Read(),
            _latency.Read(), _queueTime.Read(), _prefillTime.Read(), _decodeTime.Read(), _inferenceTime.Read(),
            _promptTokens.Read(), _prefillTokens.Read(), _generationTokens.Read(), _maxGenerationTokens.Read(), _n.Read(), _maxTokens.Read(), _iterationTokens.Read(),
        ];
    }

    private static IEnumerable<MetricFamily> OfPositions(EngineStats stats)
    {
        if (stats.SpecDecodeAcceptedTokensPerPosition is not { Count: > 0 } accepted) yield break;
        yield return new MetricFamily(
            Prefix + "spec_decode_num_accepted_tokens_per_pos", "Tokens guessed ahead that came true, by their place in the draft.", MetricKind.Counter,
            [.. accepted.Select((count, i) => new MetricSample([new("position", $"{i}")], count))]);
    }

    private IEnumerable<MetricFamily> OfAdapters()
    {
        if (_maxLoras is null || Adapters is null) yield break;
        var (running, waiting) = Adapters();
        yield return new MetricFamily(Prefix + "lora_requests_info", "The adapters that requests run with, and wait for, at the time that is the value.", MetricKind.Gauge,
        [
            new MetricSample(
            [
                new("max_lora", $"{_maxLoras}"), new("running_lora_adapters", string.Join(',', running)), new("waiting_lora_adapters", string.Join(',', waiting)),
            ], DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0),
        ]);
    }

    /// <summary>Takes the instruments from their listeners.</summary>
    public void Dispose() => _meter.Dispose();

    /// <summary>Notes a step.</summary>
    internal void Step(int tokens) => _iterationTokens.Record(tokens);

    /// <summary>Notes that a sequence gets tokens now.</summary>
    internal void Tokens(Sequence sequence)
    {
        var (times, now) = (sequence.Times, Stopwatch.GetTimestamp());
        if (times.FirstToken == 0)
        {
            times.FirstToken = now;
            if (!sequence.IsSearchStep) _timeToFirstToken.Record(Seconds(times.Arrived, now));
        }
        else
        {
            _interTokenLatency.Record(Seconds(times.LastToken, now));
        }

        times.LastToken = now;
    }

    /// <summary>Notes that a sequence has ended.</summary>
    internal void Finished(Sequence sequence)
    {
        _finished[(int)sequence.FinishReason!.Value]++;
        var times = sequence.Times;
        _latency.Record(Seconds(times.Arrived, times.Finished));
        _promptTokens.Record(sequence.PromptLength);
        if (times.FirstToken != 0) _prefillTokens.Record(sequence.PromptLength - times.CachedTokens);
        _generationTokens.Record(sequence.OutputLength);
        if (!sequence.Pools && sequence.Parameters.MaxTokens is { } maxTokens) _maxTokens.Record(maxTokens);
        if (times.Scheduled == 0) return;
        _queueTime.Record(Seconds(times.Arrived, times.Scheduled));
        _inferenceTime.Record(Seconds(times.Scheduled, times.LastToken == 0 ? times.Finished : times.LastToken));
        if (times.FirstToken == 0) return;
        _prefillTime.Record(Seconds(times.Scheduled, times.FirstToken));
        _decodeTime.Record(Seconds(times.FirstToken, times.LastToken));
        if (sequence.OutputLength > 1) _timePerOutputToken.Record(Seconds(times.FirstToken, times.LastToken) / (sequence.OutputLength - 1));
    }

    /// <summary>Notes that a beam search has ended.</summary>
    internal void Searched(Sequence longest)
    {
        if (longest.Times.FirstToken != 0) _timeToFirstToken.Record(Seconds(longest.Times.Arrived, longest.Times.FirstToken));
        Finished(longest);
        RequestFinished(longest.Parameters, longest.OutputLength);
    }

    /// <summary>Notes that all completions of a request have ended.</summary>
    internal void RequestFinished(SamplingParams parameters, int longest)
    {
        _n.Record(parameters.N);
        _maxGenerationTokens.Record(longest);
    }

    private static double Seconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalSeconds;

    private static string NameOf(FinishReason reason) => reason.ToString().ToLowerInvariant();

    private sealed record Scalar(string Name, string Help, MetricKind Kind, Func<EngineStats, double> Read);
}
