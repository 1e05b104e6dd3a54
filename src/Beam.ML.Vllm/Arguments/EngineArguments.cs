using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;

namespace Beam.ML.Vllm.Arguments;

/// <summary>
/// vLLM's engine arguments by their names, as a command line (<c>--max-model-len 4096</c>) or a dictionary (<c>max_model_len</c>) gives
/// them. Those that this engine has set its <see cref="EngineOptions"/>; those that only matter where vLLM runs are accepted, or refused
/// with the reason.
/// </summary>
public static class EngineArguments
{
    private static readonly EngineArgument[] Table =
    [
        new("model", "The model, where it is not named otherwise.", (o, v) => o with { Model = v.Text }),
        new("served_model_name", "The name that requests and metrics give the model; several may be given.", (o, v) => o with { ServedModelName = v.List[0] }) { IsList = true },
        new("dtype", "The numbers that weights and cache are kept in: auto, bfloat16 or float32.", (o, v) => o with { Dtype = DtypeOf(v) }) { Default = _ => "auto" },
        new("quantization", "int8 or int4: quantize plain weights while loading; or the method that the checkpoint is quantized by.", (o, v) => o with { Quantization = v.Text }) { Short = "q" },
        new("kv_cache_dtype", "The numbers that the cache is kept in: auto, bfloat16, float32 or int8_per_token_head.", (o, v) => o with
        {
            KvCacheDtype = v.OneOf(
                ("auto", KvCacheDtype.Auto), ("bfloat16", KvCacheDtype.BFloat16), ("float32", KvCacheDtype.Float32), ("int8_per_token_head", KvCacheDtype.Int8),
                ("int8", KvCacheDtype.Int8)),
        }) { Default = _ => "auto" },
        new("max_model_len", "The longest sequence, prompt and output together, in tokens.", (o, v) => o with { MaxModelLength = v.Text is "auto" or "-1" ? null : v.Int }) { Default = _ => "the model's own, as far as the memory goes" },
        new("max_num_seqs", "Requests that run at a time.", (o, v) => o with { MaxNumSequences = v.Int }) { Default = o => o.MaxNumSequences },
        new("max_num_batched_tokens", "Tokens computed in one step.", (o, v) => o with { MaxNumBatchedTokens = v.Int }) { Default = o => o.MaxNumBatchedTokens },
        new("block_size", "Tokens in a block of the cache.", (o, v) => o with { BlockSize = v.Int }) { Default = o => o.BlockSize },
        new("gpu_memory_utilization", "The part of the free memory that the cache may take, in (0, 1].", (o, v) => o with { MemoryUtilization = v.Double }) { Alias = "memory_utilization", Default = o => FormattableString.Invariant($"{o.MemoryUtilization}") },
        new("num_gpu_blocks_override", "Blocks in the cache, whatever the memory would allow.", (o, v) => o with { NumKvBlocks = v.Int }) { Alias = "num_kv_blocks_override" },
        new("kv_cache_memory_bytes", "Bytes for the cache, in place of gpu_memory_utilization; 2G is 2 GiB.", (o, v) => o with { KvCacheMemoryBytes = v.Long }) { Alias = "kv_cache_memory" },
        new("num_threads", "Threads that compute; one for each processor by default.", (o, v) => o with { NumThreads = v.Int }),
        new("cpu_threads_bind", "The processors that threads are bound to: nobind, auto for all, or a list as 0-3,6.", (o, v) => o with { CpuThreadsBind = v.Text }) { Default = _ => "nobind" },
        new("matrix_kernels", "How matrices are multiplied: auto, intrinsics, fma, bfloat16_dot or int8_dot.", (o, v) => o with
        {
            MatrixKernels = v.OneOf(
                ("auto", MatrixKernels.Auto), ("intrinsics", MatrixKernels.Intrinsics), ("fma", MatrixKernels.Fma), ("bfloat16_dot", MatrixKernels.BFloat16Dot),
                ("int8_dot", MatrixKernels.Int8Dot)),
        }) { Default = _ => "auto" },
        new("enable_prefix_caching", "Reuse the cache of equal beginnings; on by default.", (o, v) => o with { EnablePrefixCaching = v.Bool }) { IsFlag = true },
        new("scheduling_policy", "fcfs (first come, first served) or priority.", (o, v) => o with
        {
            SchedulingPolicy = v.OneOf(("fcfs", SchedulingPolicy.Fcfs), ("priority", SchedulingPolicy.Priority)),
        }) { Default = _ => "fcfs" },
        new("seed", "Where sampling starts.", (o, v) => o with { Seed = v.Long }),
        new("stream_interval", "New tokens that make an output of a stream.", (o, v) => o with { StreamInterval = v.Int }) { Default = o => o.StreamInterval },
        new("generation_config", "Where requests' defaults come from: auto (the model's generation_config.json), vllm (nowhere) or a folder.", (o, v) => o with { GenerationConfig = v.Text }) { Default = o => o.GenerationConfig },
        new("override_generation_config", "Defaults of requests, as JSON: {\"temperature\": 0.5}.", (o, v) => o with { OverrideGenerationConfig = GenerationOverrides.Parse(v.Text) }),
        new("skip_tokenizer_init", "Load no tokenizer: prompts and outputs are token ids.", (o, v) => o with { SkipTokenizerInit = v.Bool }) { IsFlag = true },
        new("max_logprobs", "The most log probabilities a position that a request may ask for; -1 for all.", (o, v) => o with { MaxLogprobs = v.Int }) { Default = o => o.MaxLogprobs },
        new("speculative_config", "Guess tokens ahead, as JSON: {\"method\": \"ngram\", \"num_speculative_tokens\": 4}.", (o, v) => o with { SpeculativeConfig = SpeculativeConfig.Parse(v.Text) }),
        new("enable_lora", "Requests may name LoRA adapters.", (o, v) => o with { EnableLora = v.Bool }) { IsFlag = true },
        new("lora_modules", "Adapters to load, each as name=path.", (o, v) => o with { LoraModules = [.. v.List.Select(LoraRequest.Parse)] }) { IsList = true },
        new("max_loras", "Different adapters in one batch.", (o, v) => o with { MaxLoras = v.Int }) { Default = o => o.MaxLoras },
        new("max_lora_rank", "The highest rank of an adapter.", (o, v) => o with { MaxLoraRank = v.Int }) { Default = o => o.MaxLoraRank },
        new("max_cpu_loras", "Adapters in memory.", (o, v) => o with { MaxCpuLoras = v.Int }) { Default = _ => "as max_loras" },
    ];

    /// <summary>The names of the arguments that set something, in the form of a dictionary's keys.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Table.Select(argument => argument.Name)];

    /// <summary>All that a command line may name, for its help.</summary>
    internal static IReadOnlyList<EngineArgument> All => Table;

    /// <summary>Those that are accepted, or refused with a reason, and set nothing.</summary>
    internal static IReadOnlyList<ForeignArgument> Foreign => ForeignArgument.All;

    /// <summary>Sets options by vLLM's names.</summary>
    /// <param name="options">What holds where an argument is not given.</param>
    /// <param name="arguments">
    /// Names with <c>_</c> or <c>-</c>, with or without <c>--</c> in front; <c>no_enable_prefix_caching</c> and the like turn a flag off.
    /// Values are texts, numbers, flags (null sets one) or lists.
    /// </param>
    /// <exception cref="ArgumentException">A name is unknown (the nearest known one is suggested), a value is wrong, or the argument asks for what this engine does not do.</exception>
    public static EngineOptions Apply(EngineOptions options, IEnumerable<KeyValuePair<string, object?>> arguments)
    {
        foreach (var (given, value) in arguments) options = Apply(options, given, value);
        options.Validate();
        return options;
    }

    internal static EngineOptions Apply(EngineOptions options, string given, object? value)
    {
        var name = Normalize(given);
        if (Find(name) is { } argument) return argument.Set(options, new ArgumentValue(argument.Name, value));
        if (name.StartsWith("no_", StringComparison.Ordinal) && Find(name[3..]) is { IsFlag: true } flag)
            return flag.Set(options, new ArgumentValue(flag.Name, !new ArgumentValue(name, value).Bool));
        if (ForeignArgument.Find(name) is { } foreign)
        {
            foreign.Check(new ArgumentValue(foreign.Name, value), options);
            return options;
        }

        if (name.StartsWith("no_", StringComparison.Ordinal) && ForeignArgument.Find(name[3..]) is { IsFlag: true } foreignFlag)
        {
            foreignFlag.Check(new ArgumentValue(foreignFlag.Name, !new ArgumentValue(name, value).Bool), options);
            return options;
        }

        throw new ArgumentException($"Unknown engine argument '{given}'.{(Nearest(Names.Concat(Foreign.Select(f => f.Name)), name) is { } nearest ? $" Did you mean '{nearest}'?" : "")}");
    }

    /// <summary>A name as a dictionary has it: <c>--max-model-len</c> is <c>max_model_len</c>.</summary>
    internal static string Normalize(string name) => name.TrimStart('-').Replace('-', '_').ToLowerInvariant();

    /// <summary>The known name that was probably meant, written in whatever way.</summary>
    internal static string? Nearest(IEnumerable<string> known, string given) => Sampling.SamplingParamsReader.Nearest(known, given, Normalize);

    private static EngineArgument? Find(string name) => Table.FirstOrDefault(argument => argument.Name == name || argument.Alias == name || argument.Short == name);

    private static ModelDtype DtypeOf(ArgumentValue value) => value.Text is "half" or "float16"
        ? throw new ArgumentException($"dtype {value.Text} is for GPUs: processors compute with float32 or bfloat16. Use auto (float16 weights become float32), bfloat16 or float32.")
        : value.OneOf(("auto", ModelDtype.Auto), ("bfloat16", ModelDtype.BFloat16), ("float32", ModelDtype.Float32), ("float", ModelDtype.Float32));
}

/// <summary>An argument that sets something.</summary>
/// <param name="Name">vLLM's name, with underscores.</param>
/// <param name="Description">What it sets, in a sentence.</param>
/// <param name="Set">Sets it.</param>
internal sealed record EngineArgument(string Name, string Description, Func<EngineOptions, ArgumentValue, EngineOptions> Set)
{
    /// <summary>Another name for it.</summary>
    public string? Alias { get; init; }

    /// <summary>Its short name, which a command line writes with one dash.</summary>
    public string? Short { get; init; }

    /// <summary>What holds where it is not given, for the help; null where the description says it.</summary>
    public Func<EngineOptions, object?>? Default { get; init; }

    /// <summary>It needs no value, and has a form that turns it off.</summary>
    public bool IsFlag { get; init; }

    /// <summary>It may have several values.</summary>
    public bool IsList { get; init; }
}
