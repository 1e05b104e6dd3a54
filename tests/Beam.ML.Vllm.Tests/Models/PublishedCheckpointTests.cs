using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>The config.json of published checkpoints: what the engine makes of them before it reads any weights.</summary>
[TestFixture]
public sealed class PublishedCheckpointTests
{
    [TestCaseSource(nameof(Checkpoints))]
    public void A_published_config_is_read(string name, string json, int keyValueHeads, int headSize, int maxLength, int[] windows)
    {
        Assert.That(name, Is.Not.Empty);
        var config = Load(json);
        var architecture = ModelRegistry.Find(config);
        var rope = config.Rope();
        Assert.Multiple(() =>
        {
            Assert.That(architecture.KvShapes(config), Has.Count.EqualTo(config.Layers).And.All.EqualTo(new KvShape(keyValueHeads, headSize)));
            Assert.That(RotaryFrequencies.MaxLength(config), Is.EqualTo(maxLength));
            Assert.That(RotaryFrequencies.Compute(config, rope, headSize, maxLength).Inverse, Has.Length.EqualTo((int)(headSize * rope.PartialRotaryFactor) / 2));
            Assert.That(windows, Is.EqualTo(Enumerable.Range(0, Math.Min(config.Layers, windows.Length)).Select(i => Window(config, i))));
        });
    }

    [TestCase("llama", "\"hidden_act\": \"mish\"", "hidden_act is 'mish'; known are gelu")]
    [TestCase("llama", "\"lm_head_bias\": true", "lm_head_bias is true, which this engine does not support")]
    [TestCase("llama", "\"attention_bias\": true", "model.layers.0.self_attn.q_proj.bias")]
    [TestCase("llama", "\"mlp_bias\": true", "model.layers.0.mlp.gate_proj.bias")]
    [TestCase("llama", "\"attention_bias\": 1", "attention_bias is 1, which is neither true nor false")]
    [TestCase("gemma3_text", "\"use_bidirectional_attention\": true", "use_bidirectional_attention is true")]
    [TestCase("gemma", "\"hidden_activation\": \"sigmoid\"", "hidden_activation is 'sigmoid'")]
    [TestCase("opt", "\"layer_norm_elementwise_affine\": false", "layer_norm_elementwise_affine is false")]
    [TestCase("gpt2", "\"add_cross_attention\": true", "add_cross_attention is true")]
    [TestCase("qwen2", "\"layer_types\": \"sliding_attention\"", "layer_types is \"sliding_attention\", which is not a list")]
    public void What_would_change_outputs_and_is_not_supported_is_refused_by_its_name(string family, string key, string message)
    {
        using var model = With(family, key);
        Assert.That(() => { using var harness = new RunnerHarness(model.Folder); }, Throws.TypeOf<ModelLoadException>().With.Message.Contains(message));
    }

    [TestCase("llama", "hidden_act", "gelu")]
    [TestCase("gemma2", "hidden_activation", "silu")]
    [TestCase("gpt2", "activation_function", "gelu")]
    [TestCase("opt", "activation_function", "quick_gelu")]
    [TestCase("qwen3_moe", "hidden_act", "gelu")]
    [TestCase("mixtral", "hidden_act", "gelu")]
    [TestCase("phi3", "hidden_act", "gelu")]
    public void The_activation_is_the_one_that_the_config_names(string family, string key, string function)
    {
        using var model = With(family, $"\"{key}\": \"{function}\"");
        using var plain = new RunnerHarness(TestModels.Golden(family));
        using var other = new RunnerHarness(model.Folder);
        var prompt = new[] { 1, 5, 9, 3 };
        Assert.That(other.Logits(RunnerHarness.NewSequence(prompt)), Is.Not.EqualTo(plain.Logits(RunnerHarness.NewSequence(prompt))));
    }

    [Test]
    public void Images_may_be_seen_both_ways()
    {
        using var model = With("gemma3_text", "\"use_bidirectional_attention\": \"vision\"");
        using var harness = new RunnerHarness(model.Folder);
        Assert.That(harness.Vocabulary, Is.Positive);
    }

    private static IEnumerable<TestCaseData> Checkpoints()
    {
        yield return Case("Llama-2-7b", 32, 128, 4096, [], """
            { "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
              "intermediate_size": 11008, "max_position_embeddings": 4096, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32,
              "num_key_value_heads": 32, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null, "tie_word_embeddings": false,
              "torch_dtype": "float16", "transformers_version": "4.31.0.dev0", "use_cache": true, "vocab_size": 32000 }
            """);
        yield return Case("Llama-3.2-1B", 8, 64, 131072, [], """
            { "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009],
              "head_dim": 64, "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": false,
              "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
              "rope_scaling": { "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3" },
              "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "vocab_size": 128256 }
            """);
        yield return Case("Mistral-7B-v0.1", 8, 128, 32768, [4096, 4096], """
            { "architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336,
              "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
              "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 32000 }
            """);
        yield return Case("Mistral-Nemo", 8, 128, 131072, [0, 0], """
            { "architectures": ["MistralForCausalLM"], "head_dim": 128, "hidden_act": "silu", "hidden_size": 5120, "intermediate_size": 14336,
              "max_position_embeddings": 131072, "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 40, "num_key_value_heads": 8,
              "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 131072 }
            """);
        yield return Case("Mixtral-8x7B", 8, 128, 32768, [0], """
            { "architectures": ["MixtralForCausalLM"], "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336,
              "max_position_embeddings": 32768, "model_type": "mixtral", "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32,
              "num_key_value_heads": 8, "num_local_experts": 8, "output_router_logits": false, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
              "router_aux_loss_coef": 0.02, "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 32000 }
            """);
        yield return Case("Qwen2.5-0.5B", 2, 64, 32768, [0, 0], """
            { "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151643, "hidden_act": "silu",
              "hidden_size": 896, "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 24, "model_type": "qwen2",
              "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
              "sliding_window": 32768, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_mrope": false, "use_sliding_window": false, "vocab_size": 151936 }
            """);
        yield return Case("Qwen2.5 with YaRN", 2, 64, 131072, [], """
            { "architectures": ["Qwen2ForCausalLM"], "hidden_act": "silu", "hidden_size": 896, "intermediate_size": 4864, "max_position_embeddings": 32768,
              "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2, "rope_theta": 1000000.0,
              "rope_scaling": { "factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn" }, "torch_dtype": "bfloat16", "vocab_size": 151936 }
            """);
        yield return Case("Qwen2 with windows in the last layers", 2, 64, 32768, [0, 0, 4096, 4096], """
            { "architectures": ["Qwen2ForCausalLM"], "hidden_size": 896, "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 2,
              "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2, "sliding_window": 4096,
              "use_sliding_window": true, "vocab_size": 151936 }
            """);
        yield return Case("Qwen3-0.6B", 8, 128, 40960, [0], """
            { "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024,
              "intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3", "num_attention_heads": 16,
              "num_hidden_layers": 28, "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
              "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 151936 }
            """);
        yield return Case("Qwen3-30B-A3B", 4, 128, 40960, [], """
            { "architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "decoder_sparse_step": 1, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048,
              "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48, "mlp_only_layers": [], "model_type": "qwen3_moe",
              "moe_intermediate_size": 768, "norm_topk_prob": true, "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8,
              "num_hidden_layers": 48, "num_key_value_heads": 4, "output_router_logits": false, "rms_norm_eps": 1e-06, "rope_scaling": null,
              "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
              "use_sliding_window": false, "vocab_size": 151936 }
            """);
        yield return Case("Phi-3-mini-4k", 32, 96, 4096, [2047], """
            { "architectures": ["Phi3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "auto_map": { "AutoConfig": "configuration_phi3.Phi3Config" },
              "bos_token_id": 1, "embd_pdrop": 0.0, "eos_token_id": 32000, "hidden_act": "silu", "hidden_size": 3072, "intermediate_size": 8192,
              "max_position_embeddings": 4096, "model_type": "phi3", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
              "original_max_position_embeddings": 4096, "pad_token_id": 32000, "resid_pdrop": 0.0, "rms_norm_eps": 1e-05, "rope_scaling": null,
              "rope_theta": 10000.0, "sliding_window": 2047, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 32064 }
            """);
        var factors = string.Join(", ", Enumerable.Repeat("1.05", 48));
        yield return Case("Phi-4-mini", 8, 128, 131072, [262144], $$"""
            { "architectures": ["Phi3ForCausalLM"], "attention_bias": false, "full_attn_mod": 1, "hidden_act": "silu", "hidden_size": 3072, "intermediate_size": 8192,
              "interpolate_factor": 1, "lm_head_bias": false, "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "phi3",
              "num_attention_heads": 24, "num_hidden_layers": 32, "num_key_value_heads": 8, "original_max_position_embeddings": 4096,
              "partial_rotary_factor": 0.75, "rms_norm_eps": 1e-05, "rope_scaling": { "long_factor": [{{factors}}], "short_factor": [{{factors}}], "type": "longrope" },
              "rope_theta": 10000.0, "sliding_window": 262144, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "vocab_size": 200064 }
            """);
        yield return Case("gemma-2b", 1, 256, 8192, [], """
            { "architectures": ["GemmaForCausalLM"], "attention_bias": false, "bos_token_id": 2, "eos_token_id": 1, "head_dim": 256, "hidden_act": "gelu",
              "hidden_activation": null, "hidden_size": 2048, "intermediate_size": 16384, "max_position_embeddings": 8192, "model_type": "gemma",
              "num_attention_heads": 8, "num_hidden_layers": 18, "num_key_value_heads": 1, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 10000.0,
              "torch_dtype": "bfloat16", "vocab_size": 256000 }
            """);
        yield return Case("gemma-2-2b", 4, 256, 8192, [4096, 0, 4096], """
            { "architectures": ["Gemma2ForCausalLM"], "attention_bias": false, "attn_logit_softcapping": 50.0, "cache_implementation": "hybrid",
              "final_logit_softcapping": 30.0, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304,
              "intermediate_size": 9216, "max_position_embeddings": 8192, "model_type": "gemma2", "num_attention_heads": 8, "num_hidden_layers": 26,
              "num_key_value_heads": 4, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 4096,
              "torch_dtype": "float32", "vocab_size": 256000 }
            """);
        yield return Case("gemma-3-1b", 1, 256, 32768, [512, 512, 512, 512, 512, 0, 512], """
            { "architectures": ["Gemma3ForCausalLM"], "attention_bias": false, "attn_logit_softcapping": null, "cache_implementation": "hybrid",
              "eos_token_id": [1, 106], "final_logit_softcapping": null, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152,
              "intermediate_size": 6912, "max_position_embeddings": 32768, "model_type": "gemma3_text", "num_attention_heads": 4, "num_hidden_layers": 26,
              "num_key_value_heads": 1, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000, "rope_scaling": null,
              "rope_theta": 1000000, "sliding_window": 512, "sliding_window_pattern": 6, "torch_dtype": "bfloat16", "vocab_size": 262144 }
            """);
        yield return Case("gemma-3-4b", 4, 256, 131072, [1024, 1024, 1024, 1024, 1024, 0], """
            { "architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 255999, "eos_token_id": [1, 106], "mm_tokens_per_image": 256,
              "model_type": "gemma3", "text_config": { "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
              "rope_scaling": { "factor": 8.0, "rope_type": "linear" }, "sliding_window": 1024 }, "torch_dtype": "bfloat16",
              "vision_config": { "hidden_size": 1152, "intermediate_size": 4304, "model_type": "siglip_vision_model", "num_attention_heads": 16 } }
            """);
        yield return Case("gpt-oss-20b", 8, 64, 131072, [128, 0, 128], """
            { "architectures": ["GptOssForCausalLM"], "attention_bias": true, "attention_dropout": 0.0, "eos_token_id": 200002, "experts_per_token": 4, "head_dim": 64,
              "hidden_act": "silu", "hidden_size": 2880, "initial_context_length": 4096, "intermediate_size": 2880,
              "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"], "max_position_embeddings": 131072,
              "model_type": "gpt_oss", "num_attention_heads": 64, "num_experts_per_tok": 4, "num_hidden_layers": 4, "num_key_value_heads": 8,
              "num_local_experts": 32, "output_router_logits": false, "rms_norm_eps": 1e-05,
              "rope_scaling": { "beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0, "original_max_position_embeddings": 4096, "rope_type": "yarn", "truncate": false },
              "rope_theta": 150000, "sliding_window": 128, "swiglu_limit": 7.0, "tie_word_embeddings": false, "vocab_size": 201088 }
            """);
        yield return Case("opt-350m", 16, 64, 2048, [], """
            { "_remove_final_layer_norm": false, "activation_dropout": 0.0, "activation_function": "relu", "architectures": ["OPTForCausalLM"],
              "attention_dropout": 0.0, "do_layer_norm_before": false, "dropout": 0.1, "ffn_dim": 4096, "hidden_size": 1024, "layerdrop": 0.0,
              "max_position_embeddings": 2048, "model_type": "opt", "num_attention_heads": 16, "num_hidden_layers": 24, "prefix": "</s>",
              "torch_dtype": "float16", "vocab_size": 50272, "word_embed_proj_dim": 512 }
            """);
        yield return Case("gpt2", 12, 64, 1024, [], """
            { "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "embd_pdrop": 0.1, "eos_token_id": 50256,
              "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024,
              "resid_pdrop": 0.1, "summary_activation": null, "summary_type": "cls_index", "task_specific_params": { "text-generation": { "max_length": 50 } },
              "vocab_size": 50257 }
            """);

        static TestCaseData Case(string name, int keyValueHeads, int headSize, int maxLength, int[] windows, string json) =>
            new TestCaseData(name, json, keyValueHeads, headSize, maxLength, windows).SetArgDisplayNames(name);
    }

    private static int Window(ModelConfig config, int layer)
    {
        var isSliding = config.IsSliding(layer, i => config.Architectures[0] switch
        {
            "Gemma2ForCausalLM" or "GptOssForCausalLM" => i % 2 == 0,
            "Gemma3ForCausalLM" or "Gemma3ForConditionalGeneration" => (i + 1) % 6 != 0,
            "Qwen2ForCausalLM" or "Qwen3ForCausalLM" or "Qwen3MoeForCausalLM" => Qwen2ForCausalLM.IsSliding(config, i),
            _ => config.Has("sliding_window"),
        });
        return isSliding ? config.Size("sliding_window", 1 << 30) : 0;
    }

    private static ModelConfig Load(string json)
    {
        var folder = Directory.CreateTempSubdirectory("beam-config-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "config.json"), json);
            return ModelConfig.Load(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A golden model with one more line in its config.json, which counts instead of one that says otherwise.</summary>
    private static TemporaryModel With(string family, string line)
    {
        var model = new TemporaryModel(TestModels.Golden(family));
        var config = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(model["config.json"]))!.AsObject();
        foreach (var (key, value) in System.Text.Json.Nodes.JsonNode.Parse($$"""{ {{line}} }""")!.AsObject()) config[key] = value?.DeepClone();
        File.WriteAllText(model["config.json"], config.ToJsonString());
        return model;
    }
}
