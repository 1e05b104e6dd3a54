using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>
/// Every kind of rotation, against values worked out by hand. Heads of eight features and a base of 10,000: unscaled, a pair turns by 1,
/// 0.1, 0.01 and 0.001 radians per position.
/// </summary>
[TestFixture]
public sealed class RotaryFrequenciesTests
{
    [TestCase("""{ "rope_type": "default" }""", new[] { 1, 0.1, 0.01, 0.001 }, 1)]
    [TestCase("""{ "type": "linear", "factor": 4.0 }""", new[] { 0.25, 0.025, 0.0025, 0.00025 }, 1)]

    // Wavelengths of 6, 63 and 628 positions are kept; that of 6283 lies between 8192 / 4 and 8192 / 1, at 0.101266 of the way.
    [TestCase(
        """{ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192 }""",
        new[] { 1, 0.1, 0.01, 0.000213608 }, 1)]
    [TestCase(
        """{ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 2.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192 }""",
        new[] { 1, 0.1, 0.01, 0.000125 }, 1)]

    // 32 turns in 4096 positions would be feature 1.309, one turn feature 2.814: the ramp goes from 1 to 3; in 1024 positions from 0 to 3.
    [TestCase("""{ "rope_type": "yarn", "factor": 4.0 }""", new[] { 1, 0.1, 0.00625, 0.00025 }, 1.1386294)]
    [TestCase("""{ "rope_type": "yarn", "original_max_position_embeddings": 1024 }""", new[] { 1, 0.075, 0.005, 0.00025 }, 1.1386294)]
    [TestCase("""{ "rope_type": "yarn", "factor": 4.0, "truncate": false }""", new[] { 1, 0.1, 0.00655697, 0.00025 }, 1.1386294)]
    [TestCase("""{ "rope_type": "yarn", "factor": 4.0, "attention_factor": 0.7 }""", new[] { 1, 0.1, 0.00625, 0.00025 }, 0.7)]
    [TestCase("""{ "rope_type": "yarn", "factor": 4.0, "mscale": 1.0, "mscale_all_dim": 0.5 }""", new[] { 1, 0.1, 0.00625, 0.00025 }, 1.0648215)]

    // At twice the length and a factor of 2 the base is 10,000 × 3^(8/6), so that the slowest pair turns by a third.
    [TestCase("""{ "type": "dynamic", "factor": 2.0 }""", new[] { 1, 0.0693361, 0.00480750, 0.001 / 3 }, 1)]
    [TestCase(
        """{ "type": "longrope", "factor": 32.0, "short_factor": [1, 1, 1, 1], "long_factor": [1, 2, 4, 8] }""",
        new[] { 1, 0.05, 0.0025, 0.000125 }, 1.1902380)]
    public void Frequencies_and_scale_are_those_of_the_formula(string scaling, double[] frequencies, double scale)
    {
        var config = TestConfig.Parse($$"""{ "rope_scaling": {{scaling}} }""");
        var computed = RotaryFrequencies.Compute(config, config.Rope(), headSize: 8, maxModelLength: 8192);
        for (var i = 0; i < 4; i++) Assert.That(computed.Inverse[i], Is.EqualTo(frequencies[i]).Within(frequencies[i] * 3e-6), $"pair {i}");
        Assert.That(computed.Scale, Is.EqualTo(scale).Within(1e-6));
    }

    [Test]
    public void A_dynamic_base_stays_as_it_is_up_to_the_length_that_the_model_was_trained_for()
    {
        var config = TestConfig.Parse("""{ "rope_scaling": { "type": "dynamic", "factor": 2.0 } }""");
        Assert.That(RotaryFrequencies.Compute(config, config.Rope(), 8, maxModelLength: 4096).Inverse, Is.EqualTo(new[] { 1, 0.1, 0.01, 0.001 }).Within(1e-7));
    }

    [Test]
    public void A_part_of_a_head_turns_as_a_head_of_that_size_would_and_proportionally_as_in_the_whole_head()
    {
        var part = TestConfig.Parse("""{ "partial_rotary_factor": 0.5 }""");
        Assert.That(RotaryFrequencies.Compute(part, part.Rope(), 8, 4096).Inverse, Is.EqualTo(new[] { 1, 0.01 }).Within(1e-7));
        var proportional = TestConfig.Parse("""{ "rope_parameters": { "rope_type": "proportional", "rope_theta": 10000.0, "partial_rotary_factor": 0.5 } }""");
        Assert.That(RotaryFrequencies.Compute(proportional, proportional.Rope(), 8, 4096).Inverse, Is.EqualTo(new[] { 1, 0.1, 0, 0 }).Within(1e-7));
    }

    [TestCase("""{ "rope_scaling": null }""", 4096)]
    [TestCase("""{ "rope_scaling": { "type": "linear", "factor": 4.0 } }""", 16384)]
    [TestCase("""{ "rope_scaling": { "type": "dynamic", "factor": 2.0 } }""", 8192)]
    [TestCase("""{ "rope_scaling": { "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096 } }""", 16384)]
    [TestCase("""{ "rope_scaling": { "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024 } }""", 4096)]
    [TestCase("""{ "rope_scaling": { "rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 512 } }""", 4096)]
    [TestCase("""{ "rope_scaling": { "rope_type": "linear", "factor": 8.0 }, "rope_local_base_freq": 10000 }""", 4096)]
    public void The_longest_sequence_is_that_after_stretching(string keys, int length) =>
        Assert.That(RotaryFrequencies.MaxLength(TestConfig.Parse(keys)), Is.EqualTo(length));

    private static class TestConfig
    {
        public static ModelConfig Parse(string keys)
        {
            var folder = Directory.CreateTempSubdirectory("beam-config-").FullName;
            try
            {
                File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
                    {
                      "vocab_size": 1000, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 8, "intermediate_size": 128,
                      "max_position_embeddings": 4096, "rope_theta": 10000.0, {{keys.Trim()[1..]}}
                    """);
                return ModelConfig.Load(folder);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }
}
