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
        var known = EngineArguments.All.SelectMany(a => a.Alias is null ? [a.Name] : new[] { a.Name, a.Alias }).Concat(EngineArguments.ForeignNames);
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

    [TestCase("tensor_parallel_size", "1")]
    [TestCase("enforce_eager", null)]
    [TestCase("enable_chunked_prefill", "true")]
    [TestCase("trust_remote_code", "true")]
    public void What_only_matters_on_GPUs_changes_nothing(string name, string? value) =>
        Assert.That(EngineArguments.Apply(Default, new Dictionary<string, object?> { [name] = value }), Is.EqualTo(Default));
}
