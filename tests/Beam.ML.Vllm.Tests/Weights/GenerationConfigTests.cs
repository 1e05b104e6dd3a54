using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Weights;

/// <summary>What a model's makers say of sampling becomes the default, or an error at load, never one of every request.</summary>
[TestFixture]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class GenerationConfigTests
{
    private string _folder = "";

    [SetUp]
    public void SetUp() => _folder = Directory.CreateTempSubdirectory("beam-generation-").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Every_sampling_value_is_a_default()
    {
        Write("""{"temperature":0.6,"top_p":0.9,"top_k":40,"min_p":0.05,"repetition_penalty":1.1,"max_new_tokens":200,"eos_token_id":[1,5]}""");
        var config = GenerationConfig.Load(_folder);
        var p = config.SamplingDefaults;
        Assert.That((p.Temperature, p.TopP, p.TopK, p.MinP, p.RepetitionPenalty, p.MaxTokens), Is.EqualTo((0.6, 0.9, 40, 0.05, 1.1, (int?)200)));
        Assert.That(config.EosTokenIds, Is.EqualTo((int[])[1, 5]));
    }

    [Test]
    public void What_the_file_leaves_open_or_null_keeps_its_default()
    {
        Write("""{"temperature":null,"max_new_tokens":null}""");
        Assert.That(GenerationConfig.Load(_folder).SamplingDefaults, Is.EqualTo(new SamplingParams()));
        File.Delete(Path.Combine(_folder, "generation_config.json"));
        Assert.That(GenerationConfig.Load(_folder).SamplingDefaults.MaxTokens, Is.EqualTo(16));
    }

    [Test]
    public void Neutral_defaults_another_folders_and_single_values_may_be_had_instead()
    {
        Write("""{"temperature":0.6,"top_k":40,"max_new_tokens":200,"eos_token_id":[1,5]}""");
        var options = new EngineOptions { Model = _folder };
        Assert.That(GenerationConfig.Load(_folder, options).SamplingDefaults.Temperature, Is.EqualTo(0.6));
        var neutral = GenerationConfig.Load(_folder, options with { GenerationConfig = "vllm" });
        Assert.That((neutral.SamplingDefaults, neutral.MaxNewTokens), Is.EqualTo((new SamplingParams(), (int?)null)));
        Assert.That(neutral.EosTokenIds, Is.EqualTo((int[])[1, 5]), "texts end as the model ends them");

        var other = Directory.CreateDirectory(Path.Combine(_folder, "other")).FullName;
        Assert.That(() => GenerationConfig.Load(_folder, options with { GenerationConfig = other }), Throws.TypeOf<ModelLoadException>().With.Message.Contains($"'{other}' has none"));
        File.WriteAllText(Path.Combine(other, "generation_config.json"), """{"temperature":0.1,"eos_token_id":7}""");
        var config = GenerationConfig.Load(_folder, options with { GenerationConfig = other, OverrideGenerationConfig = new GenerationOverrides { TopP = 0.5, MaxNewTokens = 9 } });
        Assert.That((config.SamplingDefaults.Temperature, config.SamplingDefaults.TopP, config.SamplingDefaults.TopK, config.MaxNewTokens), Is.EqualTo((0.1, 0.5, 0, (int?)9)));
        Assert.That(config.EosTokenIds, Is.EqualTo((int[])[7]));
    }

    [TestCase("\"temperature\":7", "temperature must be in [0, 2], got 7")]
    [TestCase("\"temperature\":1e999", "temperature must be a number, got 1e999")]
    [TestCase("\"top_p\":\"high\"", "top_p must be a number, got \"high\"")]
    [TestCase("\"top_k\":1e30", "top_k must be a whole number, got 1e30")]
    [TestCase("\"top_k\":2.5", "top_k must be a whole number, got 2.5")]
    [TestCase("\"repetition_penalty\":0", "repetition_penalty must be greater than zero, got 0")]
    [TestCase("\"max_new_tokens\":0", "max_tokens must be at least 1, got 0")]
    public void A_value_that_no_request_could_use_is_refused_at_load(string value, string message)
    {
        Write($$"""{{{value}}}""");
        Assert.That(
            () => GenerationConfig.Load(_folder),
            Throws.TypeOf<ModelLoadException>().With.Message.Contains(message).And.Message.Contains(Path.Combine(_folder, "generation_config.json")));
    }

    private void Write(string json) => File.WriteAllText(Path.Combine(_folder, "generation_config.json"), json);
}
