using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Quantization;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Weights;

/// <summary>Model folders that are incomplete or damaged: one line that names the file and says what to do.</summary>
[TestFixture]
public sealed class CheckpointTests
{
    [Test]
    public void A_truncated_file_says_how_many_bytes_are_missing()
    {
        using var model = new TemporaryModel(TestModels.TinyGemma);
        var length = new FileInfo(model["model.safetensors"]).Length;
        using (var file = File.OpenWrite(model["model.safetensors"])) file.SetLength(length / 2);
        AssertRefused(model, model["model.safetensors"], "is truncated", $"{length / 2}", "download it again");
    }

    [Test]
    public void A_folder_without_config_says_so()
    {
        using var model = new TemporaryModel(TestModels.TinyGemma);
        File.Delete(model["config.json"]);
        AssertRefused(model, "no config.json");
    }

    [Test]
    public void Towers_for_pictures_and_sounds_are_no_part_of_the_memory_foreseen()
    {
        using var model = new TemporaryModel(TestModels.TinyGemma);
        SafetensorsWriter.Write(model["model.safetensors"], new Dictionary<string, (long[], float[])>
        {
            ["language_model.model.embed_tokens.weight"] = ([4, 8], new float[32]),
            ["vision_tower.vision_model.encoder.weight"] = ([16, 8], new float[128]),
            ["model.vision_tower.encoder.weight"] = ([16, 8], new float[128]),
            ["multi_modal_projector.weight"] = ([8, 8], new float[64]),
            ["model.audio_tower.weight"] = ([8, 8], new float[64]),
        });
        using var checkpoint = Checkpoint.Open(model.Folder);
        Assert.That(checkpoint.BytesInMemory(roundToBFloat16: false, QuantizationScheme.None), Is.EqualTo(32 * 4));
    }

    [Test]
    public void A_folder_without_weights_says_so()
    {
        using var model = new TemporaryModel(TestModels.TinyGemma);
        File.Delete(model["model.safetensors"]);
        AssertRefused(model, "no model.safetensors");
    }

    [Test]
    public void An_unknown_architecture_lists_the_known_ones()
    {
        using var model = new TemporaryModel(TestModels.TinyGemma);
        Replace(model["config.json"], "GemmaForCausalLM", "OracleForCausalLM");
        AssertRefused(model, "OracleForCausalLM", "GemmaForCausalLM");
    }

    [TestCase("\"hidden_size\": 256", "\"hidden_size\": 128", "has shape")]
    [TestCase("\"hidden_size\": 256", "\"hidden_size\": -3", "hidden_size is -3")]
    [TestCase("\"hidden_size\": 256", "\"hidden_size\": 1e99", "hidden_size is 1e99")]
    [TestCase("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5", "model.layers.4.")]
    [TestCase("\"num_attention_heads\": 4", "\"num_attention_heads\": \"four\"", "num_attention_heads is \"four\"")]
    [TestCase("\"rope_theta\": 10000.0", "\"rope_theta\": -1", "rope_theta is -1")]
    [TestCase("\"max_position_embeddings\": 1024", "\"max_position_embeddings\": 2147483647", "not between 1 and 16777216")]
    [TestCase("\"vocab_size\": 2048,", "", "vocab_size is missing")]
    [TestCase("\"torch_dtype\": \"bfloat16\"", "\"torch_dtype\": \"int3\"", "int3")]
    [TestCase("{", "{{", "not valid JSON")]
    public void A_config_that_does_not_fit_is_refused(string text, string replacement, string message)
    {
        using var model = new TemporaryModel(TestModels.TinyGemma);
        Replace(model["config.json"], text, replacement);
        AssertRefused(model, message);
    }

    [Test]
    public void An_index_may_name_only_files_of_the_folder()
    {
        using var model = new TemporaryModel(TestModels.TinyGemma);
        File.WriteAllText(model["model.safetensors.index.json"], """{"weight_map":{"a":"../secret.safetensors"}}""");
        AssertRefused(model, "not a file name");
        File.WriteAllText(model["model.safetensors.index.json"], """{"weight_map":{"a":"model-00001-of-00002.safetensors"}}""");
        AssertRefused(model, "model-00001-of-00002.safetensors", "download it");
        File.WriteAllText(model["model.safetensors.index.json"], """{"weights":1}""");
        AssertRefused(model, "no weight_map");
    }

    [Test]
    public async Task Shards_are_read_through_their_index()
    {
        using var model = new TemporaryModel(TestModels.TinyGemma);
        File.Move(model["model.safetensors"], model["model-00001-of-00001.safetensors"]);
        File.WriteAllText(model["model.safetensors.index.json"], """{"weight_map":{"model.norm.weight":"model-00001-of-00001.safetensors"}}""");
        await using var engine = new LlmEngine(new EngineOptions { Model = model.Folder, NumThreads = 1, NumKvBlocks = 64 });
        Assert.That(engine.VocabularySize, Is.EqualTo(2048));
    }

    [Test]
    public async Task Positions_that_only_the_config_claims_take_no_memory()
    {
        using var model = new TemporaryModel(TestModels.TinyGemma);
        Replace(model["config.json"], "\"max_position_embeddings\": 1024", "\"max_position_embeddings\": 16777216");
        var before = Environment.WorkingSet;
        await using var engine = new LlmEngine(new EngineOptions { Model = model.Folder, NumThreads = 1, NumKvBlocks = 64 });
        Assert.That(engine.MaxModelLength, Is.EqualTo(1024));

        // The angles of all positions would take 4 GB.
        Assert.That(Environment.WorkingSet - before, Is.LessThan(2L << 30));
    }

    private static void AssertRefused(TemporaryModel model, params string[] parts)
    {
        var error = Assert.Throws<ModelLoadException>(() => new LlmEngine(new EngineOptions { Model = model.Folder, NumThreads = 1, NumKvBlocks = 64 }));
        Assert.That(error!.Message, Does.Contain(model.Folder).And.Not.Contains("\n"));
        foreach (var part in parts) Assert.That(error.Message, Does.Contain(part));
    }

    private static void Replace(string path, string text, string replacement)
    {
        var content = File.ReadAllText(path);
        Assert.That(content, Does.Contain(text));
        File.WriteAllText(path, content.Replace(text, replacement, StringComparison.Ordinal));
    }
}
