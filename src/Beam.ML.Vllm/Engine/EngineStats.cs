namespace Beam.ML.Vllm.Engine;

/// <summary>The state of an engine at one moment, and its counts since the start.</summary>
public sealed record EngineStats
{
    /// <summary><c>num_requests_running</c>.</summary>
    public int RunningRequests { get; init; }

    /// <summary><c>num_requests_waiting</c>.</summary>
    public int WaitingRequests { get; init; }

    /// <summary><c>kv_cache_usage_perc</c>: the part of the cache's blocks that requests hold, 0 to 1.</summary>
    public double KvCacheUsage { get; init; }

    /// <summary>Blocks in the cache.</summary>
    public int KvCacheBlocks { get; init; }

    /// <summary>
    /// What matrices are multiplied with: what <see cref="EngineOptions.MatrixKernels"/> asked for, or came to on this machine. Where both
    /// kinds of dot products are in use it is <see cref="MatrixKernels.BFloat16Dot"/>; <see cref="MatrixKernels.Intrinsics"/> on a machine
    /// with AVX-512 says that the system lets this process assemble no code.
    /// </summary>
    public MatrixKernels MatrixKernels { get; init; }

    /// <summary>The memory that the weights take, in bytes, as the engine keeps them: quantized where they are.</summary>
    public long WeightBytes { get; init; }

    /// <summary><c>prefix_cache_queries</c>: tokens looked up.</summary>
    public long PrefixCacheQueries { get; init; }

    /// <summary><c>prefix_cache_hits</c>: tokens found.</summary>
    public long PrefixCacheHits { get; init; }

    /// <summary><c>num_preemptions</c>.</summary>
    public long Preemptions { get; init; }

    /// <summary><c>prompt_tokens</c>: prompt tokens of requests that produced a first token.</summary>
    public long PromptTokens { get; init; }

    /// <summary><c>prompt_tokens_cached</c>: those of <see cref="PromptTokens"/> that were found in the prefix cache.</summary>
    public long CachedPromptTokens { get; init; }

    /// <summary><c>generation_tokens</c>.</summary>
    public long GenerationTokens { get; init; }

    /// <summary>Tokens computed, recomputed ones included and cached ones not.</summary>
    public long ComputedTokens { get; init; }

    /// <summary>Requests that have ended.</summary>
    public long FinishedRequests { get; init; }

    /// <summary>Steps taken.</summary>
    public long Steps { get; init; }

    /// <summary>Requests in a step, on average.</summary>
    public double MeanBatchSize { get; init; }

    /// <summary><c>spec_decode_num_drafts</c>: times that tokens were guessed ahead.</summary>
    public long SpecDecodeDrafts { get; init; }

    /// <summary><c>spec_decode_num_draft_tokens</c>: tokens guessed.</summary>
    public long SpecDecodeDraftTokens { get; init; }

    /// <summary><c>spec_decode_num_accepted_tokens</c>: guessed tokens that came true.</summary>
    public long SpecDecodeAcceptedTokens { get; init; }

    /// <summary><c>spec_decode_num_accepted_tokens_per_pos</c>: how often the first guessed token came true, the second, and so on; empty without speculation.</summary>
    public IReadOnlyList<long> SpecDecodeAcceptedTokensPerPosition { get; init; } = [];

    /// <summary>The part of the guessed tokens that came true, 0 to 1.</summary>
    public double SpecDecodeAcceptanceRate => SpecDecodeDraftTokens == 0 ? 0 : (double)SpecDecodeAcceptedTokens / SpecDecodeDraftTokens;
}
