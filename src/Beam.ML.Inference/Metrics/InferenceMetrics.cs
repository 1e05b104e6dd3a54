using Beam.Metrics;

namespace Beam.ML.Inference;

/// <summary>The metrics of an inference step, by Beam's names.</summary>
internal sealed class InferenceMetrics(string ns)
{
    private readonly Counter inferences = Metric.Counter(ns, InferenceMetricNames.NumInferences);
    private readonly Counter failedElements = Metric.Counter(ns, InferenceMetricNames.NumFailedElements);
    private readonly Counter failedBatches = Metric.Counter(ns, InferenceMetricNames.FailedBatches);
    private readonly Distribution batchSize = Metric.Distribution(ns, InferenceMetricNames.BatchSize);
    private readonly Distribution batchBytes = Metric.Distribution(ns, InferenceMetricNames.BatchByteSize);
    private readonly Distribution latency = Metric.Distribution(ns, InferenceMetricNames.BatchLatency);
    private readonly Distribution modelBytes = Metric.Distribution(ns, InferenceMetricNames.ModelByteSize);
    private readonly Distribution loadLatency = Metric.Distribution(ns, InferenceMetricNames.LoadLatency);

    public string Namespace => ns;

    /// <summary>The processes that answered.</summary>
    public StringSet EngineHosts { get; } = Metric.StringSet(ns, InferenceMetricNames.EngineHosts);

    /// <summary>The workers that asked.</summary>
    public StringSet Workers { get; } = Metric.StringSet(ns, InferenceMetricNames.Workers);

    /// <summary>How long requests waited at the host before the model got them, in microseconds.</summary>
    public Distribution QueueTime { get; } = Metric.Distribution(ns, InferenceMetricNames.HostQueueTime);

    public void Succeeded(int examples, long bytes, TimeSpan elapsed)
    {
        inferences.Inc(examples);
        batchSize.Update(examples);
        batchBytes.Update(bytes);
        latency.Update((long)elapsed.TotalMicroseconds);
    }

    public void Failed() => failedBatches.Inc();

    public void ElementFailed() => failedElements.Inc();

    public void Loaded(long millis, long bytes)
    {
        loadLatency.Update(millis);
        modelBytes.Update(bytes);
    }
}

/// <summary>The names of the metrics that <c>RunInference</c> reports.</summary>
public static class InferenceMetricNames
{
    /// <summary>Counter: examples that have a prediction.</summary>
    public const string NumInferences = "num_inferences";

    /// <summary>Counter: elements that have none, for whatever reason: the model, or a function before or behind it.</summary>
    public const string NumFailedElements = "num_failed_elements";

    /// <summary>Counter: calls of the model that failed, for one of their examples at least.</summary>
    public const string FailedBatches = "failed_batches_counter";

    /// <summary>Distribution: examples in a call; always 1 where the model batches by itself.</summary>
    public const string BatchSize = "inference_request_batch_size";

    /// <summary>Distribution: bytes of the examples in a call.</summary>
    public const string BatchByteSize = "inference_request_batch_byte_size";

    /// <summary>Distribution: microseconds of a call.</summary>
    public const string BatchLatency = "inference_batch_latency_micro_secs";

    /// <summary>Distribution: by how many bytes loading the model grew its process.</summary>
    public const string ModelByteSize = "model_byte_size";

    /// <summary>Distribution: milliseconds that loading took.</summary>
    public const string LoadLatency = "load_model_latency_milli_secs";

    /// <summary>Distribution: microseconds that a call waited at the host of a shared model.</summary>
    public const string HostQueueTime = "host_queue_time_micro_secs";

    /// <summary>String set: the processes that answered, each with its process id and the worker that owns it.</summary>
    public const string EngineHosts = "engine_hosts";

    /// <summary>String set: the ids of the workers that asked.</summary>
    public const string Workers = "inference_workers";

    /// <summary>Counter: tokens of the prompts. Reported by handlers of language models.</summary>
    public const string PromptTokens = "prompt_tokens";

    /// <summary>Counter: tokens of the prompts that were found in the prefix cache.</summary>
    public const string CachedTokens = "cached_tokens";

    /// <summary>Counter: tokens of the answers.</summary>
    public const string OutputTokens = "output_tokens";

    /// <summary>Distribution: microseconds that a request waited in the engine before its first step.</summary>
    public const string QueueTime = "queue_time_micro_secs";

    /// <summary>Distribution: microseconds from a request's arrival to its first token.</summary>
    public const string TimeToFirstToken = "time_to_first_token_micro_secs";

    /// <summary>
    /// Distribution: how many requests the engine computed at a time while it answered a request, on average over its tokens, times
    /// <see cref="EngineBatchSizeScale"/>.
    /// </summary>
    public const string EngineBatchSize = "engine_batch_size_milli";

    /// <summary>What <see cref="EngineBatchSize"/> is multiplied by, since distributions hold integers.</summary>
    public const int EngineBatchSizeScale = 1000;
}
