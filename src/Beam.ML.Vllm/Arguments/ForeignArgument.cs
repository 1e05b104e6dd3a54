namespace Beam.ML.Vllm.Arguments;

/// <summary>
/// An argument of vLLM's that only matters where vLLM runs: accepted as long as it asks for nothing that this engine does not do, or refused
/// with the reason.
/// </summary>
/// <param name="Name">vLLM's name, with underscores.</param>
/// <param name="Reason">Why it changes nothing, in a sentence.</param>
/// <param name="Only">The value that is accepted; any where it is null.</param>
/// <param name="Or">Another one.</param>
internal sealed record ForeignArgument(string Name, string Reason, string? Only = null, string? Or = null)
{
    private const string OneMachine = "The engine computes on one machine's processors.";
    private const string OneEngine = "One engine serves; start several behind a load balancer.";
    private const string OneProcess = "The engine is one process.";
    private const string NoGraphs = "There are no graphs to capture.";
    private const string NothingToCompile = "There is nothing to compile.";
    private const string TextAlone = "Prompts are text alone.";
    private const string NothingIsOffloaded = "The cache stays where it is, in this process.";
    private const string NoCodeOfModels = "No code of a model is ever run.";
    private const string NoPython = "No Python runs here.";
    private const string OneBudget = "One budget of tokens a step is shared by all that run.";
    private const string NoPages = "There are no such pages.";
    private const string EmbeddingsToo = "The engine generates; embeddings are had from the same model.";
    private const string NoUvicorn = "There is no uvicorn.";
    private const string ChangeConfig = "Change config.json in a copy of the model's folder.";
    private const string NameTheRevision = "Name the folder of the revision as the model.";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ForeignArgument> All { get; } =
    [
        // Devices and processes.
        new("tensor_parallel_size", "The engine computes on one machine's processors; give it threads with num_threads.", Only: "1") { Short = "tp" },
        new("pipeline_parallel_size", OneMachine, Only: "1") { Short = "pp" },
        new("decode_context_parallel_size", OneMachine, Only: "1") { Short = "dcp" },
        new("prefill_context_parallel_size", OneMachine, Only: "1") { Short = "pcp" },
        new("data_parallel_size", OneEngine, Only: "1") { Short = "dp" },
        new("data_parallel_size_local", OneEngine, Only: "1") { Short = "dpl" },
        new("data_parallel_rank", OneEngine, Only: "0"),
        new("data_parallel_start_rank", OneEngine, Only: "0"),
        new("data_parallel_address", OneEngine),
        new("data_parallel_rpc_port", OneEngine),
        new("data_parallel_backend", OneEngine),
        new("data_parallel_hybrid_lb", OneEngine, Only: "false"),
        new("data_parallel_external_lb", OneEngine, Only: "false"),
        new("api_server_count", "One server answers; start several behind a load balancer.", Only: "1") { Short = "asc" },
        new("headless", OneEngine, Only: "false"),
        new("nnodes", OneMachine, Only: "1"),
        new("node_rank", OneMachine, Only: "0"),
        new("master_addr", OneMachine),
        new("master_port", OneMachine),
        new("expert_parallel_size", OneProcess, Only: "1"),
        new("enable_expert_parallel", OneProcess, Only: "false"),
        new("enable_eplb", OneProcess, Only: "false"),
        new("num_redundant_experts", OneProcess, Only: "0"),
        new("all2all_backend", OneProcess),
        new("enable_dbo", OneProcess, Only: "false"),
        new("distributed_executor_backend", OneProcess, Only: "uni", Or: "mp"),
        new("worker_cls", NoPython, Only: "auto"),
        new("worker_extension_cls", NoPython, Only: ""),
        new("scheduler_cls", NoPython, Only: ""),
        new("max_parallel_loading_workers", OneProcess),
        new("ray_workers_use_nsight", OneProcess) { Flag = true },
        new("device", "The engine computes on processors.", Only: "cpu", Or: "auto"),
        new("disable_custom_all_reduce", "Nothing is reduced over devices.") { Flag = true },

        // Graphs, compilation and kernels.
        new("enforce_eager", NoGraphs) { Flag = true },
        new("max_seq_len_to_capture", NoGraphs),
        new("max_context_len_to_capture", NoGraphs),
        new("cuda_graph_sizes", NoGraphs),
        new("cudagraph_capture_sizes", NoGraphs),
        new("max_cudagraph_capture_size", NoGraphs),
        new("compilation_config", NothingToCompile) { Short = "cc" },
        new("optimization_level", NothingToCompile),
        new("performance_mode", NothingToCompile),
        new("attention_backend", "There is one implementation of attention."),
        new("attention_config", "There is one implementation of attention."),
        new("kernel_config", "Choose kernels with matrix_kernels.", Only: "", Or: "{}"),
        new("additional_config", "There is no platform that would read it.", Only: "", Or: "{}"),
        new("disable_cascade_attn", "Beginnings that requests have in common are attended to as all else.") { Flag = true },

        // The model.
        new("tokenizer", "The tokenizer is the one in the model's folder.", Only: "") { MayBeModel = true },
        new("tokenizer_mode", "The tokenizer is as tokenizer.json says.", Only: "auto", Or: "hf"),
        new("tokenizer_revision", NameTheRevision, Only: ""),
        new("revision", NameTheRevision, Only: ""),
        new("code_revision", NoCodeOfModels),
        new("trust_remote_code", NoCodeOfModels) { Flag = true },
        new("hf_token", "Nothing is fetched from the hub."),
        new("download_dir", "Models come from a folder or the local Hugging Face cache.", Only: ""),
        new("load_format", "Models are read from safetensors.", Only: "auto", Or: "safetensors"),
        new("model_loader_extra_config", "Models are read from safetensors.", Only: "", Or: "{}"),
        new("safetensors_load_strategy", "Weights are read over a memory map."),
        new("ignore_patterns", "Nothing is fetched from the hub."),
        new("use_tqdm_on_load", "There is no bar to show.") { Flag = true },
        new("pt_load_map_location", "Models are read from safetensors."),
        new("model_impl", "Models are the engine's own.", Only: "auto", Or: "vllm"),
        new("config_format", "Models are in Hugging Face's format.", Only: "auto", Or: "hf"),
        new("hf_config_path", "The configuration is config.json in the model's folder.", Only: ""),
        new("hf_overrides", ChangeConfig, Only: "{}"),
        new("rope_scaling", ChangeConfig, Only: "{}"),
        new("rope_theta", ChangeConfig, Only: ""),
        new("disable_sliding_window", "A model is computed as it was made; a max_model_len of the window comes to the same.", Only: "false"),
        new("runner", EmbeddingsToo, Only: "auto", Or: "generate"),
        new("task", EmbeddingsToo, Only: "auto", Or: "generate"),
        new("convert", EmbeddingsToo, Only: "auto", Or: "none"),
        new("pooler_config", "Embeddings are the last token's hidden state.", Only: "", Or: "{}"),
        new("override_pooler_config", "Embeddings are the last token's hidden state.", Only: "", Or: "{}"),
        new("logprobs_mode", "Log probabilities are the model's own, before penalties and temperature.", Only: "raw_logprobs"),
        new("logits_processors", NoPython, Only: ""),
        new("logits_processor_pattern", NoPython, Only: ""),
        new("enable_prompt_embeds", "Prompts are texts or tokens.", Only: "false"),
        new("enable_return_routed_experts", "Which experts were chosen is not handed out.", Only: "false"),
        new("enable_sleep_mode", "The engine does not sleep; stop it to have its memory back.", Only: "false"),
        new("quantization_param_path", "Scales come with the checkpoint.", Only: ""),
        new("calculate_kv_scales", "The int8 cache has a scale for each token and head, computed as it is filled.", Only: "false"),

        // Prompts that are not text.
        new("limit_mm_per_prompt", TextAlone),
        new("language_model_only", TextAlone) { Flag = true },
        new("skip_mm_profiling", TextAlone) { Flag = true },
        new("mm_processor_kwargs", TextAlone),
        new("mm_processor_cache_gb", TextAlone),
        new("mm_processor_cache_type", TextAlone),
        new("mm_encoder_tp_mode", TextAlone),
        new("media_io_kwargs", TextAlone),
        new("interleave_mm_strings", TextAlone) { Flag = true },
        new("allowed_local_media_path", TextAlone),
        new("allowed_media_domains", TextAlone),
        new("disable_mm_preprocessor_cache", TextAlone) { Flag = true },
        new("disable_chunked_mm_input", TextAlone) { Flag = true },
        new("video_pruning_rate", TextAlone),

        // Cache and scheduling.
        new("prefix_caching_hash_algo", "Blocks are known by their SHA-256."),
        new("swap_space", "A preempted request is computed again, nothing is swapped.", Only: "0"),
        new("preemption_mode", "A preempted request is computed again, nothing is swapped.", Only: "recompute"),
        new("cpu_offload_gb", "All weights are in main memory as it is.", Only: "0"),
        new("kv_offloading_size", NothingIsOffloaded, Only: "0", Or: ""),
        new("kv_offloading_backend", NothingIsOffloaded),
        new("kv_transfer_config", NothingIsOffloaded, Only: ""),
        new("kv_events_config", NothingIsOffloaded, Only: ""),
        new("kv_sharing_fast_prefill", "All layers compute the prompt.", Only: "false"),
        new("disable_hybrid_kv_cache_manager", "A block of the cache is of all layers.") { Flag = true },
        new("enable_chunked_prefill", "Long prompts are always computed in pieces.", Only: "true"),
        new("long_prefill_token_threshold", OneBudget, Only: "0"),
        new("max_num_partial_prefills", OneBudget, Only: "1"),
        new("max_long_partial_prefills", OneBudget, Only: "1"),
        new("num_lookahead_slots", "speculative_config says how far ahead is guessed."),
        new("async_scheduling", "Scheduling costs less than there would be to hide.") { Flag = true },
        new("num_scheduler_steps", "Each step is scheduled anew.", Only: "1"),
        new("multi_step_stream_outputs", "Each step is scheduled anew.") { Flag = true },
        new("scheduler_delay_factor", "Requests join at the next step.", Only: "0", Or: "0.0"),
        new("use_v2_block_manager", "There is one block manager.") { Flag = true },

        // Adapters.
        new("fully_sharded_loras", OneMachine) { Flag = true },
        new("lora_dtype", "Adapters are kept in the numbers of their files.", Only: "auto"),
        new("lora_extra_vocab_size", "Adapters cannot have tokens of their own."),
        new("enable_lora_bias", "Adapters have no biases.", Only: "false"),
        new("default_mm_loras", TextAlone, Only: ""),
        new("enable_prompt_adapter", "Adapters are LoRA's.", Only: "false"),

        // Answers.
        new("reasoning_parser", "Answers come whole, with the model's thoughts in them.", Only: ""),
        new("enable_reasoning", "Answers come whole, with the model's thoughts in them.", Only: "false"),
        new("guided_decoding_backend", "There is one, the engine's own.", Only: "auto"),
        new("structured_outputs_config", "There is one backend, the engine's own.", Only: ""),
        new("chat_template_content_format", "Templates get a message's content as one text.", Only: "auto", Or: "string"),
        new("tool_parser_plugin", NoPython, Only: ""),
        new("tool_server", "The server calls no tools itself.", Only: ""),
        new("tokens_only", "The server speaks OpenAI's protocol.", Only: "false"),
        new("enable_tokenizer_info_endpoint", NoPages, Only: "false"),
        new("enable_per_request_metrics", "Answers carry no timings; /metrics has them.", Only: "false"),
        new("fingerprint_mode", "Answers carry no system_fingerprint.", Only: "none", Or: "full"),

        // The server.
        new("config", "Give the arguments themselves.", Only: ""),
        new("root_path", "Let the proxy in front remove the path.", Only: ""),
        new("middleware", NoPython, Only: ""),
        new("disable_fastapi_docs", NoPages) { Flag = true },
        new("enable_offline_docs", NoPages, Only: "false"),
        new("enable_server_load_tracking", "/load always says how many requests are being answered.") { Flag = true },
        new("allow_credentials", "Keys come in a header; there are no cookies to let pass.", Only: "false"),
        new("allowed_methods", "Pages of allowed origins may use what the paths take.", Only: """["*"]""", Or: "*"),
        new("allowed_headers", "Pages of allowed origins may send any header.", Only: """["*"]""", Or: "*"),
        new("ssl_ca_certs", "Clients are known by keys, not by certificates.", Only: ""),
        new("ssl_cert_reqs", "Clients are known by keys, not by certificates.", Only: "0"),
        new("ssl_ciphers", "The system says which ciphers there are.", Only: ""),
        new("enable_ssl_refresh", "A new certificate needs a new start.", Only: "false"),
        new("h11_max_incomplete_event_size", "Kestrel has limits of its own for headers."),
        new("h11_max_header_count", "Kestrel has limits of its own for headers."),

        // Logs and metrics.
        new("disable_log_stats", "The server's /metrics has them.") { Flag = true },
        new("disable_log_requests", "Requests are not logged.") { Flag = true },
        new("enable_log_requests", "Requests are not logged.", Only: "false"),
        new("enable_log_outputs", "Answers are not logged.", Only: "false"),
        new("enable_log_deltas", "Answers are not logged.") { Flag = true },
        new("max_log_len", "Prompts are not logged."),
        new("log_error_stack", "Where a server fails, its log has the stack.") { Flag = true },
        new("log_config_file", "Lines go to the standard error.", Only: ""),
        new("uvicorn_log_level", "There is no uvicorn; errors go to the error stream."),
        new("disable_uvicorn_access_log", NoUvicorn) { Flag = true },
        new("disable_access_log_for_endpoints", "Probes of health and metrics are logged where they fail alone."),
        new("enable_logging_iteration_details", "The server's /metrics has what steps are like.") { Flag = true },
        new("show_hidden_metrics_for_version", "No metric is hidden."),
        new("kv_cache_metrics", "Blocks are not followed one by one.", Only: "false"),
        new("cudagraph_metrics", NoGraphs, Only: "false"),
        new("enable_layerwise_nvtx_tracing", OneMachine, Only: "false"),
        new("enable_mfu_metrics", "The server's /metrics has tokens and times.", Only: "false"),
        new("otlp_traces_endpoint", "Metrics are instruments of a meter, for OpenTelemetry; there are no traces.", Only: ""),
        new("collect_detailed_traces", "There are no traces.", Only: ""),
    ];

    private static readonly Dictionary<string, ForeignArgument> ByName = All.SelectMany(a => a.Short is null ? [(a.Name, a)] : new[] { (a.Name, a), (a.Short, a) }).ToDictionary();

    /// <summary>Its short name, which a command line writes with one dash.</summary>
    public string? Short { get; init; }

    /// <summary>It is a flag, though it may have any value.</summary>
    public bool Flag { get; init; }

    /// <summary>The model's own name is accepted as well.</summary>
    public bool MayBeModel { get; init; }

    /// <summary>It needs no value, and has a form that turns it off.</summary>
    public bool IsFlag => Flag || Only is "true" or "false";

    public static ForeignArgument? Find(string name) => ByName.GetValueOrDefault(name);

    /// <exception cref="ArgumentException">It asks for what this engine does not do.</exception>
    public void Check(ArgumentValue value, Engine.EngineOptions options)
    {
        if (Only is null) return;
        var text = Only is "true" or "false" ? (value.Bool ? "true" : "false") : value.Text;
        if (text != Only && text != Or && !(MayBeModel && text == options.Model)) throw new ArgumentException($"{Name} cannot be {text} here: {char.ToLowerInvariant(Reason[0])}{Reason[1..]}");
    }
}
