using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Gguf;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>Forms of config.json that published checkpoints have and the golden ones do not.</summary>
[TestFixture]
public sealed class PublishedConfigTests
{
    private const string Sizes = """
        "vocab_size": 1000, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128, "max_position_embeddings": 4096
        """;

    [Test]
    public void A_nested_text_part_takes_from_its_family_what_it_does_not_say()
    {
        using var folder = new ConfigFolder("""
            {
              "architectures": ["Gemma3ForConditionalGeneration"], "eos_token_id": [1, 106], "torch_dtype": "bfloat16", "model_type": "gemma3",
              "text_config": {
                "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
                "rope_scaling": { "factor": 8.0, "rope_type": "linear" }, "sliding_window": 1024
              }
            }
            """);
        var config = ModelConfig.Load(folder.Path);
        Assert.Multiple(() =>
        {
            Assert.That((config.VocabularySize, config.HiddenSize, config.Layers), Is.EqualTo((262208, 2560, 34)));
            Assert.That((config.Heads, config.KeyValueHeads, config.HeadSize), Is.EqualTo((8, 4, 256)));
            Assert.That(config.MaxPositions, Is.EqualTo(131072));
            Assert.That(config.EosTokenIds, Is.EqualTo(new[] { 1, 106 }));
            Assert.That(config.Type, Is.EqualTo(TensorType.BFloat16));
            Assert.That(config.Size("sliding_window", 1 << 20), Is.EqualTo(1024));
            Assert.That(config.Rope(ModelConfig.Full), Is.EqualTo(config.Rope(ModelConfig.Full) with { Theta = 1e6f, Type = "linear", Factor = 8 }));
            Assert.That(config.Rope(ModelConfig.Sliding), Is.EqualTo(config.Rope(ModelConfig.Sliding) with { Theta = 1e4f, Type = "default" }));
        });
    }

    /// <summary>What the published files of other families have: keys of their own, and few of those that this engine's have.</summary>
    [TestCase("FalconForCausalLM", """ "model_type": "falcon", "vocab_size": 65024, "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71 """)]
    [TestCase("ChatGLMModel", """ "model_type": "chatglm", "padded_vocab_size": 65024, "hidden_size": 4096, "num_layers": 28, "ffn_hidden_size": 13696 """)]
    [TestCase("MambaForCausalLM", """ "model_type": "mamba", "vocab_size": 50280, "d_model": 768, "n_layer": 24 """)]
    [TestCase("T5ForConditionalGeneration", """ "model_type": "t5", "vocab_size": 32128, "d_model": 512, "num_layers": 6, "num_heads": 8 """)]
    [TestCase("BertForMaskedLM", """ "model_type": "bert", "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 512 """)]
    public void An_architecture_that_is_not_known_is_named_with_those_that_are(string name, string keys)
    {
        using var folder = new ConfigFolder($$"""{ "architectures": ["{{name}}"], {{keys}} }""");
        var error = Assert.Throws<ModelLoadException>(() => new LlmEngine(new EngineOptions { Model = folder.Path }));
        Assert.That(error!.Message, Does.Contain(name).And.Contain("LlamaForCausalLM").And.Contain("Qwen3ForCausalLM"));
        error = Assert.Throws<ModelLoadException>(() => GgufExporter.Export(folder.Path, Path.Combine(folder.Path, "x.gguf")));
        Assert.That(error!.Message, Does.Contain(name).And.Contain("cannot be exported to GGUF").And.Contain("LlamaForCausalLM"));
    }

    [TestCase(4096, 1f)]
    [TestCase(8192, 0.25f)]
    public void Long_rope_is_chosen_by_the_longest_sequence_allowed(int maxModelLength, float secondFrequency)
    {
        using var folder = new ConfigFolder($$"""
            {
              {{Sizes.Replace("4096", "131072", StringComparison.Ordinal)}}, "original_max_position_embeddings": 4096, "rope_theta": 1.0,
              "rope_scaling": { "type": "longrope", "short_factor": [1.0, 1.0], "long_factor": [1.0, 4.0] }
            }
            """);
        var config = ModelConfig.Load(folder.Path);
        var frequencies = RotaryFrequencies.Compute(config, config.Rope(), headSize: 4, maxModelLength);
        Assert.That(frequencies.Inverse, Is.EqualTo(new[] { 1, secondFrequency }));
        Assert.That(frequencies.Scale, Is.EqualTo(Math.Sqrt(1 + (Math.Log(32) / Math.Log(4096)))).Within(1e-6));
    }

    [TestCase("""{ "type": "longrope", "short_factor": [1.0], "long_factor": [1.0] }""", "short_factor has 1 numbers for 16 pairs")]
    [TestCase("""{ "rope_type": "spiral", "factor": 2.0 }""", "is of type 'spiral'; known are default, dynamic, linear")]
    [TestCase("""{ "rope_type": "linear" }""", "factor is missing from the parameters of rope type linear")]
    [TestCase("""{ "rope_type": 7 }""", "rope_type is 7, which is not a text")]
    [TestCase("\"linear\"", "rope_scaling is \"linear\", which is not an object")]
    [TestCase("""{ "rope_type": "linear", "factor": 0 }""", "factor is 0")]
    [TestCase("""{ "rope_type": "default", "partial_rotary_factor": 0.03 }""", "of which 0 features turn")]
    public void Rotation_that_is_not_known_is_refused(string rope, string message)
    {
        using var folder = new ConfigFolder($$"""{ {{Sizes}}, "rope_scaling": {{rope}} }""");
        Assert.That(
            () => { var config = ModelConfig.Load(folder.Path); RotaryFrequencies.Compute(config, config.Rope(), config.HeadSize, 4096); },
            Throws.TypeOf<ModelLoadException>().With.Message.Contains(message));
    }

    [TestCase("""["sliding_attention"]""", "has 1 entries for 2 layers")]
    [TestCase("""["full_attention", "linear_attention"]""", "has 'linear_attention'; known are")]
    public void Kinds_of_layers_that_are_not_known_are_refused(string types, string message)
    {
        using var folder = new ConfigFolder($$"""{ {{Sizes}}, "layer_types": {{types}} }""");
        var config = ModelConfig.Load(folder.Path);
        Assert.That(() => config.IsSliding(1, _ => false), Throws.TypeOf<ModelLoadException>().With.Message.Contains(message));
    }

    private sealed class ConfigFolder : IDisposable
    {
        public ConfigFolder(string config) => File.WriteAllText(System.IO.Path.Combine(Path, "config.json"), config);

        public string Path { get; } = Directory.CreateTempSubdirectory("beam-config-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
