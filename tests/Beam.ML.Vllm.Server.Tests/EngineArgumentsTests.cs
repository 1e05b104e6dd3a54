using Beam.ML.Vllm.Arguments;
using Beam.ML.Vllm.Engine;

namespace Beam.ML.Vllm.Server.Tests;

public sealed class EngineArgumentsTests
{
    private static readonly EngineOptions Default = new() { Model = "m" };

    [Test]
    public void Names_come_as_on_a_command_line_or_in_a_dictionary()
    {
        var options = EngineArguments.Apply(Default, new Dictionary<string, object?>
        {
            ["--max-model-len"] = "4K",
            ["max_num_seqs"] = 32,
            ["max-num-batched-tokens"] = "2k",
            ["gpu_memory_utilization"] = "0.72",
            ["no-enable-prefix-caching"] = null,
            ["scheduling_policy"] = "priority",
            ["dtype"] = "bfloat16",
            ["seed"] = 7L,
            ["skip-tokenizer-init"] = true,
            ["served-model-name"] = new[] { "a", "b" },
            ["speculative_config"] = new Dictionary<string, object> { ["method"] = "ngram", ["num_speculative_tokens"] = 3 },
        });
        Assert.That((options.MaxModelLength, options.MaxNumSequences, options.MaxNumBatchedTokens, options.MemoryUtilization), Is.EqualTo((4096, 32, 2000, 0.72)));
        Assert.That((options.EnablePrefixCaching, options.SchedulingPolicy, options.Dtype, options.Seed), Is.EqualTo((false, SchedulingPolicy.Priority, ModelDtype.BFloat16, 7L)));
        Assert.That((options.SkipTokenizerInit, options.ServedModelName, options.SpeculativeConfig!.NumSpeculativeTokens), Is.EqualTo((true, "a", 3)));
    }

    [Test]
    public void Each_name_is_there_once()
    {
        var known = EngineArguments.All.SelectMany(a => new[] { a.Name, a.Alias, a.Short }).Concat(EngineArguments.Foreign.SelectMany(a => new[] { a.Name, a.Short })).OfType<string>();
        Assert.That(known, Is.Unique);
    }

    [TestCase("max-modl-len", "1", "Unknown engine argument 'max-modl-len'. Did you mean 'max_model_len'?")]
    [TestCase("foo", "1", "Unknown engine argument 'foo'.")]
    [TestCase("config", "x.yaml", "config cannot be x.yaml here: give the arguments themselves.")]
    [TestCase("root_path", "/api", "root_path cannot be /api here: let the proxy in front remove the path.")]
    [TestCase("max_model_len", "many", "max_model_len must be a whole number, got many.")]
    [TestCase("max_num_seqs", "0", "max_num_seqs must be in [1, 65536], got 0.")]
    [TestCase("enable_prefix_caching", "maybe", "enable_prefix_caching must be true or false, got maybe.")]
    [TestCase("scheduling_policy", "lifo", "scheduling_policy must be one of fcfs, priority, got lifo.")]
    [TestCase("dtype", "half", "dtype half is for GPUs: processors compute with float32 or bfloat16. Use auto (float16 weights become float32), bfloat16 or float32.")]
    [TestCase("tensor_parallel_size", "2", "tensor_parallel_size cannot be 2 here: the engine computes on one machine's processors; give it threads with num_threads.")]
    [TestCase("enable_chunked_prefill", "false", "enable_chunked_prefill cannot be false here: long prompts are always computed in pieces.")]
    [TestCase("lora_modules", "x", "lora_modules has 'x', which is not of the form name=path.")]
    public void A_wrong_argument_says_what_would_be_right(string name, string value, string message) =>
        Assert.That(() => EngineArguments.Apply(Default, new Dictionary<string, object?> { [name] = value }), Throws.ArgumentException.With.Message.EqualTo(message));

    [Test]
    public void What_vLLM_calls_its_cache_its_stream_and_its_defaults_is_set()
    {
        var options = EngineArguments.Apply(Default, new Dictionary<string, object?>
        {
            ["--kv-cache-memory-bytes"] = "2G",
            ["--stream-interval"] = "4",
            ["--generation-config"] = "vllm",
            ["--override-generation-config"] = """{"temperature": 0.5, "top_k": 20, "max_new_tokens": 100, "min_p": null}""",
            ["-q"] = "int8",
            ["-tp"] = "1",
            ["--tokenizer"] = "m",
        });
        Assert.That((options.KvCacheMemoryBytes, options.StreamInterval, options.GenerationConfig, options.Quantization), Is.EqualTo((2L << 30, 4, "vllm", "int8")));
        Assert.That(options.OverrideGenerationConfig, Is.EqualTo(new GenerationOverrides { Temperature = 0.5, TopK = 20, MaxNewTokens = 100 }));
        Assert.That(EngineArguments.Apply(Default, new Dictionary<string, object?> { ["model"] = "other" }).Model, Is.EqualTo("other"));
    }

    [TestCase("override_generation_config", "[]", "override_generation_config must be a JSON object, got [].")]
    [TestCase("override_generation_config", "{\"temperature\": \"hot\"}", "override_generation_config: temperature must be a number, got \"hot\".")]
    [TestCase("override_generation_config", "{\"top_k\": 2.5}", "override_generation_config: top_k must be a whole number, got 2.5.")]
    [TestCase("override_generation_config", "{\"top_p\": 2}", "override_generation_config: top_p must be in (0, 1], got 2.")]
    [TestCase("override_generation_config", "{\"do_sample\": false}", "override_generation_config cannot have do_sample: it sets temperature, top_p, top_k, min_p, repetition_penalty and max_new_tokens.")]
    [TestCase("stream_interval", "0", "stream_interval must be at least 1, got 0.")]
    [TestCase("kv_cache_memory_bytes", "0", "kv_cache_memory_bytes must be at least 1, got 0.")]
    [TestCase("no_enable_chunked_prefill", null, "enable_chunked_prefill cannot be false here: long prompts are always computed in pieces.")]
    [TestCase("tp", "2", "tensor_parallel_size cannot be 2 here: the engine computes on one machine's processors; give it threads with num_threads.")]
    [TestCase("tokenizer", "other", "tokenizer cannot be other here: the tokenizer is the one in the model's folder.")]
    [TestCase("logprobs_mode", "processed_logprobs", "logprobs_mode cannot be processed_logprobs here: log probabilities are the model's own, before penalties and temperature.")]
    [TestCase("chat_template_content_format", "openai", "chat_template_content_format cannot be openai here: templates get a message's content as one text.")]
    [TestCase("no_max_log_len", "1", "Unknown engine argument 'no_max_log_len'. Did you mean 'max_log_len'?")]
    public void What_it_cannot_do_it_says(string name, string? value, string message) =>
        Assert.That(() => EngineArguments.Apply(Default, new Dictionary<string, object?> { [name] = value }), Throws.ArgumentException.With.Message.EqualTo(message));

    [TestCase("no_async_scheduling", null)]
    [TestCase("async_scheduling", null)]
    [TestCase("enable_server_load_tracking", null)]
    [TestCase("chat_template_content_format", "auto")]
    [TestCase("disable_fastapi_docs", null)]
    [TestCase("max_log_len", "100")]
    [TestCase("long_prefill_token_threshold", "0")]
    [TestCase("max_num_partial_prefills", "1")]
    [TestCase("logprobs_mode", "raw_logprobs")]
    [TestCase("prefix_caching_hash_algo", "sha256")]
    [TestCase("no_disable_sliding_window", null)]
    [TestCase("allowed_methods", "[\"*\"]")]
    [TestCase("no_allow_credentials", null)]
    [TestCase("convert", "auto")]
    [TestCase("no_enable_log_outputs", null)]
    [TestCase("no_enable_expert_parallel", null)]
    [TestCase("tensor_parallel_size", "1")]
    [TestCase("enforce_eager", null)]
    [TestCase("enable_chunked_prefill", "true")]
    [TestCase("trust_remote_code", "true")]
    public void What_only_matters_on_GPUs_changes_nothing(string name, string? value) =>
        Assert.That(EngineArguments.Apply(Default, new Dictionary<string, object?> { [name] = value }), Is.EqualTo(Default));
}
