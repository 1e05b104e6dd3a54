using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Weights.Quantization;

namespace Beam.ML.Vllm.Engine;

/// <summary>The numbers that weights and cache are kept in; activations are always 32-bit floats.</summary>
public enum ModelDtype
{
    /// <summary>As the checkpoint stores them: bfloat16 stays bfloat16; float16 widens to float32.</summary>
    Auto,

    /// <summary>Weights and cache in bfloat16, rounded where the checkpoint has more digits.</summary>
    BFloat16,

    /// <summary>Weights at the checkpoint's full precision, the cache in float32.</summary>
    Float32,
}

/// <summary>How matrices are multiplied.</summary>
public enum MatrixKernels
{
    /// <summary>The fastest way that this machine has for the engine's <see cref="ModelDtype"/>.</summary>
    Auto,

    /// <summary>Fused multiply-adds on floats, by the vector instructions that .NET offers: on any machine, with no code made at run time.</summary>
    Intrinsics,

    /// <summary>Fused multiply-adds on floats, in code assembled for this machine where it has AVX-512 and lets a process do so. The same bits as <see cref="Intrinsics"/>.</summary>
    Fma,

    /// <summary>
    /// Dot products of bfloat16 numbers (AVX512_BF16) with weights of that type: activations are rounded to bfloat16 before they are
    /// multiplied, sums are floats.
    /// </summary>
    BFloat16Dot,

    /// <summary>
    /// Dot products of 8-bit numbers (AVX512_VNNI) with int8 and int4 weights: activations are rounded to 8 bits, with a scale for every 32 of them,
    /// before they are multiplied. With other weights as <see cref="Fma"/>.
    /// </summary>
    Int8Dot,
}

/// <summary>The numbers that the cache keeps keys and values in.</summary>
public enum KvCacheDtype
{
    /// <summary><c>auto</c>: those of the weights, as <see cref="ModelDtype"/> says.</summary>
    Auto,

    /// <summary><c>bfloat16</c>.</summary>
    BFloat16,

    /// <summary><c>float32</c>.</summary>
    Float32,

    /// <summary>
    /// <c>int8_per_token_head</c>: a byte for each number, and a scale for each token and head, one for its key and one for its value.
    /// Takes about half of bfloat16's memory, so that twice as many tokens fit; outputs differ slightly.
    /// </summary>
    Int8,
}

/// <summary>In which order requests are served.</summary>
public enum SchedulingPolicy
{
    /// <summary>First come, first served.</summary>
    Fcfs,

    /// <summary>The lowest priority value first, ties by arrival. As long as lower values keep coming, higher ones wait: that is what it is for.</summary>
    Priority,
}

/// <summary>How an engine is set up. Names and meanings are those of vLLM's engine arguments.</summary>
public sealed record EngineOptions
{
    /// <summary>A checkpoint folder, or a hub id that is in the local Hugging Face cache.</summary>
    public required string Model { get; init; }

    /// <summary>The name that outputs and metrics give the model; <see cref="Model"/> as it is given by default.</summary>
    public string? ServedModelName { get; init; }

    /// <summary>The name in use.</summary>
    internal string ModelName => ServedModelName ?? Model;

    /// <summary><c>dtype</c>.</summary>
    public ModelDtype Dtype { get; init; }

    /// <summary>How matrices are multiplied. Under <see cref="ModelDtype.Float32"/> activations are never rounded.</summary>
    public MatrixKernels MatrixKernels { get; init; }

    /// <summary><c>kv_cache_dtype</c>.</summary>
    public KvCacheDtype KvCacheDtype { get; init; }

    /// <summary>
    /// <c>quantization</c>: null for what the checkpoint's quantization_config says (awq, compressed-tensors, fp8, gptq and mxfp4 are
    /// read, their weights stay in 4 or 8 bits); <c>int8</c> or <c>int4</c> to quantize plain weights while they are loaded, with scales
    /// for groups of 32 inputs. Embedding and head get 8 bits with either. What becomes of activations is
    /// a matter of <see cref="MatrixKernels"/>, not of what a checkpoint says of them.
    /// </summary>
    public string? Quantization { get; init; }

    /// <summary><c>max_model_len</c>: prompt and output together, in tokens. By default what the model was made for, or what the cache holds if that is less.</summary>
    public int? MaxModelLength { get; init; }

    /// <summary><c>max_num_seqs</c>: requests that run at a time.</summary>
    public int MaxNumSequences { get; init; } = 64;

    /// <summary>
    /// <c>max_num_batched_tokens</c>: tokens computed in one step, prompts and decodes together. More makes long prompts cheaper, less
    /// keeps the steps short that other requests' next tokens wait for.
    /// </summary>
    public int MaxNumBatchedTokens { get; init; } = 512;

    /// <summary><c>block_size</c>: tokens in a block of the cache, a multiple of 16.</summary>
    public int BlockSize { get; init; } = 16;

    /// <summary><c>memory_utilization</c>: the part of the memory that weights and the largest step leave free which the cache may take, in (0, 1].</summary>
    public double MemoryUtilization { get; init; } = 0.5;

    /// <summary><c>num_kv_blocks_override</c>: blocks in the cache, whatever the memory would allow.</summary>
    public int? NumKvBlocks { get; init; }

    /// <summary><c>kv_cache_memory_bytes</c>: bytes for the cache, in place of <see cref="MemoryUtilization"/>; the cache takes no more of them than the requests that can run at a time could fill.</summary>
    public long? KvCacheMemoryBytes { get; init; }

    /// <summary>Threads that compute; by default one for each processor.</summary>
    public int? NumThreads { get; init; }

    /// <summary>
    /// <c>cpu_threads_bind</c>, as vLLM's VLLM_CPU_OMP_THREADS_BIND: the processors that the threads are bound to, one each, as a list
    /// (<c>0-3,6</c>) or <c>auto</c> for all that this process may use. By default, as with <c>nobind</c>, the system places them: beside
    /// workers and other programs a bound thread waits for its processor while another one is idle. Not to be had on macOS.
    /// </summary>
    public string? CpuThreadsBind { get; init; }

    /// <summary>How many threads that makes.</summary>
    internal int Threads => NumThreads ?? ThreadBinding.Parse(CpuThreadsBind)?.Length ?? Environment.ProcessorCount;

    /// <summary><c>enable_prefix_caching</c>: reuse the cache of equal beginnings.</summary>
    public bool EnablePrefixCaching { get; init; } = true;

    /// <summary><c>scheduling_policy</c>.</summary>
    public SchedulingPolicy SchedulingPolicy { get; init; }

    /// <summary><c>seed</c>: where sampling without a seed of its own starts; null draws it anew each time.</summary>
    public long? Seed { get; init; }

    /// <summary><c>stream_interval</c>: new tokens that make an output of a request that asks for fewer (<see cref="Sampling.SamplingParams.StreamInterval"/>); the first and the last come out at once. 1 by default.</summary>
    public int StreamInterval { get; init; } = 1;

    /// <summary>
    /// <c>generation_config</c>: where the parameters of requests that bring none come from. <c>auto</c>, the default, is the model's
    /// generation_config.json; <c>vllm</c> leaves them neutral, whatever the model says (but for its end-of-sequence tokens); else it is a folder
    /// with such a file.
    /// </summary>
    public string GenerationConfig { get; init; } = "auto";

    /// <summary><c>override_generation_config</c>: values in place of those of <see cref="GenerationConfig"/>.</summary>
    public GenerationOverrides? OverrideGenerationConfig { get; init; }

    /// <summary><c>skip_tokenizer_init</c>: no tokenizer is loaded; prompts are token ids, outputs have no text.</summary>
    public bool SkipTokenizerInit { get; init; }

    /// <summary><c>speculative_config</c>: guess tokens ahead; null, the default, for no guesses.</summary>
    public SpeculativeConfig? SpeculativeConfig { get; init; }

    /// <summary><c>enable_lora</c>: requests may name LoRA adapters.</summary>
    public bool EnableLora { get; init; }

    /// <summary><c>max_loras</c>: different adapters in one batch; requests with others wait.</summary>
    public int MaxLoras { get; init; } = 1;

    /// <summary><c>max_lora_rank</c>: the highest rank of an adapter.</summary>
    public int MaxLoraRank { get; init; } = 16;

    /// <summary><c>max_cpu_loras</c>: adapters in memory, of which those that were used longest ago make room for others; <see cref="MaxLoras"/> by default.</summary>
    public int? MaxCpuLoras { get; init; }

    /// <summary><c>lora_modules</c>: adapters that are loaded when the engine starts, and known by name from then on.</summary>
    public IReadOnlyList<LoraRequest> LoraModules { get; init; } = [];

    /// <summary><c>max_logprobs</c>: the most log probabilities a position that a request may ask for; -1 for the whole vocabulary.</summary>
    public int MaxLogprobs { get; init; } = 20;

    /// <summary>
    /// Sequences (one for each completion of a request) that may wait inside the engine. Requests beyond wait before they are let in, in the
    /// order of the <see cref="SchedulingPolicy"/>; a request of more sequences is let in when no other waits inside.
    /// </summary>
    public int MaxWaitingRequests { get; init; } = 4096;

    /// <summary>Gets a line of text for each thing about the engine that its owner should know: how much its cache holds, a length that had to shrink.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>Checks all values.</summary>
    /// <exception cref="ArgumentException">A value is out of its range; the message names it, its range and what it was.</exception>
    public void Validate()
    {
        Require(
            Quantization is null || QuantizationMethods.Names.Contains(Quantization),
            $"Unknown quantization method: {Quantization}. Must be one of {string.Join(", ", QuantizationMethods.Names)}.");
        Require(MaxModelLength is null or >= 2, $"max_model_len must be at least 2, got {MaxModelLength}.");
        Require(MaxNumSequences is >= 1 and <= 65536, $"max_num_seqs must be in [1, 65536], got {MaxNumSequences}.");
        Require(MaxNumBatchedTokens is >= 1 and <= 1 << 20, $"max_num_batched_tokens must be in [1, 1048576], got {MaxNumBatchedTokens}.");
        Require(BlockSize is >= 16 and <= 4096 && BlockSize % 16 == 0, $"block_size must be a multiple of 16 up to 4096, got {BlockSize}.");
        Require(MemoryUtilization is > 0 and <= 1, $"memory_utilization must be in (0, 1], got {MemoryUtilization}.");
        Require(NumKvBlocks is null or >= 1, $"num_kv_blocks_override must be at least 1, got {NumKvBlocks}.");
        Require(KvCacheMemoryBytes is null or >= 1, $"kv_cache_memory_bytes must be at least 1, got {KvCacheMemoryBytes}.");
        Require(StreamInterval >= 1, $"stream_interval must be at least 1, got {StreamInterval}.");
        Require(GenerationConfig is { Length: > 0 }, "generation_config must be auto, vllm or a folder.");
        OverrideGenerationConfig?.Validate();
        Require(NumThreads is null or (>= 1 and <= 1024), $"num_threads must be in [1, 1024], got {NumThreads}.");
        Require(
            ThreadBinding.Parse(CpuThreadsBind) is not { } processors || Threads <= processors.Length,
            $"cpu_threads_bind '{CpuThreadsBind}' has fewer processors than there are threads ({NumThreads}).");
        SpeculativeConfig?.Validate();
        Require(MaxLoras is >= 1 and <= 4096, $"max_loras must be in [1, 4096], got {MaxLoras}.");
        Require(MaxLoraRank is >= 1 and <= 65536, $"max_lora_rank must be in [1, 65536], got {MaxLoraRank}.");
        Require(MaxCpuLoras is null || MaxCpuLoras >= MaxLoras, $"max_cpu_loras must be at least max_loras ({MaxLoras}), got {MaxCpuLoras}.");
        Require(LoraModules.Count == 0 || EnableLora, "lora_modules needs enable_lora.");
        Require(LoraModules.All(m => m.Name.Length > 0) && LoraModules.DistinctBy(m => m.Name).Count() == LoraModules.Count, "lora_modules must have names that differ and are not empty.");
        Require(MaxLogprobs >= -1, $"max_logprobs must be non-negative or -1, got {MaxLogprobs}.");
        Require(
            Dtype != ModelDtype.Float32 || MatrixKernels is not (MatrixKernels.BFloat16Dot or MatrixKernels.Int8Dot),
            $"dtype float32 computes with activations as they are; MatrixKernels.{MatrixKernels} rounds them.");
        Require(MaxWaitingRequests >= 1, $"The number of waiting requests must be at least 1, got {MaxWaitingRequests}.");

        static void Require(bool holds, string message)
        {
            if (!holds) throw new ArgumentException(message);
        }
    }
}
