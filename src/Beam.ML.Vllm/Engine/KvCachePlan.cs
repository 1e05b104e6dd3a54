using System.Globalization;

namespace Beam.ML.Vllm.Engine;

/// <summary>How many blocks the cache gets, and the longest sequence that goes with it.</summary>
internal readonly record struct KvCachePlan(int Blocks, int MaxModelLength)
{
    /// <summary>Says, in vLLM's words, what the plan comes to, and what it takes away.</summary>
    public IEnumerable<string> Describe(EngineOptions options, int modelLength, long bytesPerBlock)
    {
        var tokens = (long)Blocks * options.BlockSize;
        yield return string.Create(
            CultureInfo.InvariantCulture, $"KV cache size: {tokens:N0} tokens in {Blocks:N0} blocks ({Blocks * (double)bytesPerBlock / (1 << 30):N2} GiB)");
        yield return string.Create(
            CultureInfo.InvariantCulture, $"Maximum concurrency for {MaxModelLength:N0} tokens per request: {(double)tokens / MaxModelLength:N2}x");
        if (options.MaxModelLength is null && MaxModelLength < modelLength)
        {
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"max_model_len is {MaxModelLength:N0} in place of the model's {modelLength:N0}: the cache holds no longer sequence. Increase {Limit(options)}, or choose kv_cache_dtype int8_per_token_head, for longer ones.");
        }
    }


    /// <summary>
    /// The cache takes its part of the memory that is free now, but no more than the requests that can run at a time could fill. If even
    /// one sequence of full length does not fit, the length is an error where it was asked for, and shrinks where it was not.
    /// </summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="modelLength">The longest sequence that the model was made for.</param>
    /// <param name="bytesPerBlock">What one block of all layers takes.</param>
    /// <param name="weightBytes">What the weights, not yet loaded, will have taken of the memory.</param>
    /// <param name="workspaceBytes">What the largest step will take beside them.</param>
    /// <param name="availableBytes">The memory that is free now.</param>
    /// <exception cref="ArgumentException">A length was asked for that the model or the memory does not have.</exception>
    public static KvCachePlan Make(EngineOptions options, int modelLength, long bytesPerBlock, long weightBytes, long workspaceBytes, long availableBytes)
    {
        if (options.MaxModelLength > modelLength)
        {
            throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture,
                $"User-specified max_model_len ({options.MaxModelLength}) is greater than the derived max_model_len (max_position_embeddings={modelLength} in the model's config.json): beyond it the outputs would be wrong. Decrease max_model_len, or leave it out."));
        }

        var wantedLength = options.MaxModelLength ?? modelLength;
        var perSequence = (wantedLength + options.BlockSize - 1) / options.BlockSize;
        var affordable = (options.KvCacheMemoryBytes ?? (long)(Math.Max(availableBytes - weightBytes - workspaceBytes, 0) * options.MemoryUtilization)) / bytesPerBlock;
        var blocks = options.NumKvBlocks ?? (int)Math.Min(Math.Min(affordable, (long)perSequence * options.MaxNumSequences), int.MaxValue / 2);
        if (blocks >= perSequence) return new KvCachePlan(blocks, wantedLength);

        var fits = (long)blocks * options.BlockSize;
        if (options.MaxModelLength is not null || fits < 2)
        {
            throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture,
                $"The model's max seq len ({wantedLength}) is larger than the maximum number of tokens that can be stored in KV cache ({fits}). Try increasing {Limit(options)} or decreasing max_model_len."));
        }

        return new KvCachePlan(blocks, (int)fits);
    }

    /// <summary>What sets the cache's size.</summary>
    private static string Limit(EngineOptions options) =>
        options.NumKvBlocks is not null ? "num_kv_blocks_override" : options.KvCacheMemoryBytes is not null ? "kv_cache_memory_bytes" : "memory_utilization";
}
