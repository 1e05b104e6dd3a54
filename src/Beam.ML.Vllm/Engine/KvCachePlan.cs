using System.Globalization;

namespace Beam.ML.Vllm.Engine;

/// <summary>How many blocks the cache gets, and the longest sequence that goes with it.</summary>
internal readonly record struct KvCachePlan(int Blocks, int MaxModelLength)
{
    /// <summary>
    /// The cache takes its part of the memory that is free now, but no more than the requests that can run at a time could fill. If even
    /// one sequence of full length does not fit, the length is an error where it was asked for, and shrinks where it was not.
    /// </summary>
    public static KvCachePlan Make(EngineOptions options, int wantedLength, long bytesPerBlock)
    {
        var perSequence = (wantedLength + options.BlockSize - 1) / options.BlockSize;
        long affordable = (long)(SystemMemory.AvailableBytes() * options.MemoryUtilization) / bytesPerBlock;
        var blocks = options.NumKvBlocks ?? (int)Math.Min(Math.Min(affordable, (long)perSequence * options.MaxNumSequences), int.MaxValue / 2);
        if (blocks >= perSequence) return new KvCachePlan(blocks, wantedLength);

        var fits = (long)blocks * options.BlockSize;
        if (options.MaxModelLength is not null || fits < 2)
        {
            throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture,
                $"The model's max seq len ({wantedLength}) is larger than the maximum number of tokens that can be stored in KV cache ({fits}). Try increasing memory_utilization or decreasing max_model_len."));
        }

        return new KvCachePlan(blocks, (int)fits);
    }
}
