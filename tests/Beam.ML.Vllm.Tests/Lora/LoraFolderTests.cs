using System.Text.Json.Nodes;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Lora;

/// <summary>What of PEFT's folders is read, and what is refused with which words.</summary>
[TestFixture]
public sealed class LoraFolderTests
{
    private const string Query = "model.layers.0.self_attn.q_proj", Value = "model.layers.1.self_attn.v_proj";

    private static readonly (string, int, int)[] Two = [(Query, 8, 16), (Value, 8, 4)];

    private static LoraTargets Targets()
    {
        var targets = new LoraTargets();
        targets.Register(8, ("model.layers.0.self_attn.q_proj", 16), ("model.layers.0.self_attn.k_proj", 4), ("model.layers.0.self_attn.v_proj", 4));
        targets.Register(8, ("model.layers.1.self_attn.q_proj", 16), ("model.layers.1.self_attn.k_proj", 4), ("model.layers.1.self_attn.v_proj", 4));
        targets.Register(8, ("model.layers.0.mlp.experts.0.w1", 4));
        targets.Register(8, ("lm_head", 100));
        return targets;
    }

    [Test]
    public void Experts_and_the_head_are_no_targets() => Assert.That(Targets().Count, Is.EqualTo(6));

    [Test]
    public void Modules_of_a_merged_layer_know_their_columns()
    {
        var target = Targets().Find("model.layers.1.self_attn.v_proj")!;
        Assert.That((target.Index, target.FirstOutput, target.Outputs), Is.EqualTo((5, 20, 4)));
    }

    [Test]
    public void An_adapter_s_identity_is_that_of_the_weights_in_memory_whatever_its_files_are_by_now()
    {
        using var adapter = new TemporaryAdapter(Two);
        using var retold = new TemporaryAdapter(Two, change: c => (c["base_model_name_or_path"], c["lora_dropout"]) = ("elsewhere", 0.1));
        using var louder = new TemporaryAdapter(Two, change: c => c["lora_alpha"] = 9);
        using var other = new TemporaryAdapter(Two, seed: 2);
        using LoraAdapter first = Load(adapter), same = Load(retold), scaled = Load(louder), different = Load(other);
        Assert.That(same.Identity, Is.EqualTo(first.Identity));
        Assert.That(new[] { first.Identity, scaled.Identity, different.Identity }, Is.Unique);
    }

    [Test]
    public void Scales_follow_alpha_rank_and_their_patterns()
    {
        using var plain = new TemporaryAdapter(Two);
        using var patterns = new TemporaryAdapter(Two, change: c =>
        {
            c["use_rslora"] = true;
            c["alpha_pattern"] = new JsonObject { ["v_proj"] = 6, ["q"] = 1 };
            c["rank_pattern"] = new JsonObject { [@"model\.layers\.0\.self_attn\.(?P<n>q_proj)"] = 4 };
            c["r"] = 9;
        });
        patterns.Tensors[$"base_model.model.{Value}.lora_A.weight"] = ([9, 8], new float[72]);
        patterns.Tensors[$"base_model.model.{Value}.lora_B.weight"] = ([4, 9], new float[36]);
        patterns.Save();
        using LoraAdapter first = Load(plain), second = Load(patterns);
        LoraTarget query = Targets().Find(Query)!, value = Targets().Find(Value)!;
        Assert.Multiple(() =>
        {
            Assert.That((first[query]!.Scale, first[value]!.Scale), Is.EqualTo((2f, 2f)));
            Assert.That(first[Targets().Find("model.layers.0.self_attn.k_proj")!], Is.Null);
            Assert.That((second[query]!.Scale, second[value]!.Scale), Is.EqualTo((8 / MathF.Sqrt(4), 6 / MathF.Sqrt(9))));
            Assert.That((second[query]!.A.Outputs, second[value]!.A.Outputs), Is.EqualTo((4, 9)));
            Assert.That(first.Identity, Is.Not.EqualTo(second.Identity));
        });
    }

    [TestCase("all-linear")]
    [TestCase(@".*\.layers\.\d+\.self_attn\.(q|v)_proj")]
    public void Target_modules_may_be_a_pattern(string pattern)
    {
        using var adapter = new TemporaryAdapter(Two, change: c => c["target_modules"] = pattern);
        using var loaded = Load(adapter);
        Assert.That(loaded[Targets().Find(Query)!], Is.Not.Null);
    }

    [Test]
    public void Names_of_a_multimodal_model_and_of_one_without_a_head_are_known()
    {
        foreach (var prefix in (string[])["model.language_model.layers.", "language_model.model.layers.", "layers."])
        {
            using var adapter = new TemporaryAdapter([($"{prefix}0.self_attn.q_proj", 8, 16)]);
            adapter.Tensors["base_model.model.model.vision_tower.layers.0.q_proj.lora_A.weight"] = ([1, 1], [0]);
            adapter.Save();
            using var loaded = Load(adapter);
            Assert.That(loaded[Targets().Find(Query)!], Is.Not.Null, prefix);
        }
    }

    [TestCase("use_dora", "true", "DoRA")]
    [TestCase("bias", "\"all\"", "biases")]
    [TestCase("lora_bias", "true", "biases")]
    [TestCase("modules_to_save", "[\"lm_head\"]", "merge_and_unload")]
    [TestCase("target_parameters", "[\"experts.down_proj\"]", "experts")]
    [TestCase("trainable_token_indices", "[1]", "token embeddings")]
    [TestCase("peft_type", "\"IA3\"", "LORA")]
    [TestCase("peft_type", "3", "LORA")]
    [TestCase("r", "0", "at least 1")]
    [TestCase("r", "1e300", "not a number")]
    [TestCase("r", "2.5", "whole number")]
    [TestCase("lora_alpha", "\"x\"", "not a number")]
    [TestCase("use_rslora", "1", "neither true nor false")]
    [TestCase("target_modules", "3", "neither a list")]
    [TestCase("target_modules", "[3]", "neither a list")]
    [TestCase("target_modules", "\"(\"", "cannot be read")]
    [TestCase("target_modules", "\"nothing\"", "no module that target_modules speaks of")]
    [TestCase("target_modules", "[\"q_proj\",\"k_proj\",\"v_proj\"]", "no weights for 'k_proj'")]
    [TestCase("target_modules", "\"(.*.*.*.*.*.*.*.*)*x\"", "too long")]
    [TestCase("rank_pattern", "{\"q_proj\":40}", "max_lora_rank=32")]
    [TestCase("rank_pattern", "{\"q_proj\":5}", "shape [4, 8]")]
    [TestCase("rank_pattern", "[]", "not an object")]
    public void What_cannot_be_served_exactly_is_refused(string key, string value, string words)
    {
        using var adapter = new TemporaryAdapter(Two, change: c => c[key] = JsonNode.Parse(value));
        var error = Assert.Throws<ModelLoadException>(() => Load(adapter));
        Assert.That(error!.Message, Does.Contain(words).And.Contain(adapter.Folder));
    }

    [TestCase("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", "DoRA")]
    [TestCase("base_model.model.model.embed_tokens.lora_embedding_A", "embedding")]
    [TestCase("base_model.model.lm_head.weight", "neither a lora_A nor a lora_B")]
    [TestCase("base_model.model.lm_head.lora_A.weight", "the head")]
    [TestCase("base_model.model.model.layers.0.mlp.experts.0.w1.lora_A.weight", "experts")]
    [TestCase("base_model.model.model.layers.0.attention.lora_A.weight", "another model")]
    [TestCase("base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight", "no 'model.layers.0.self_attn.k_proj.lora_A.weight'")]
    public void Tensors_that_do_not_belong_are_refused(string tensor, string words)
    {
        using var adapter = new TemporaryAdapter(Two);
        adapter.Tensors[tensor] = ([4, 4], new float[16]);
        adapter.Save();
        var error = Assert.Throws<ModelLoadException>(() => Load(adapter));
        Assert.That(error!.Message, Does.Contain(words).And.Contain(adapter.Folder));
    }

    [Test]
    public void A_folder_that_is_no_adapter_is_refused()
    {
        using var adapter = new TemporaryAdapter(Two);
        File.Delete(Path.Combine(adapter.Folder, "adapter_model.safetensors"));
        Assert.That(() => Load(adapter), Throws.InstanceOf<ModelLoadException>().With.Message.Contains("no adapter_model.safetensors"));
        File.Delete(Path.Combine(adapter.Folder, "adapter_config.json"));
        Assert.That(() => Load(adapter), Throws.InstanceOf<ModelLoadException>().With.Message.Contains("no adapter_config.json"));
        var missing = new LoraRequest("a", Path.Combine(adapter.Folder, "missing"));
        Assert.That(() => new LoraLoader(Targets(), 32, 32).Load(missing), Throws.InstanceOf<ModelLoadException>().With.Message.Contains("was not found"));
    }

    [Test]
    public void Modules_are_given_as_name_and_path()
    {
        Assert.That(LoraRequest.Parse("sql=/a=b"), Is.EqualTo(new LoraRequest("sql", "/a=b")));
        foreach (var wrong in (string[])["", "sql", "=path", "sql="])
            Assert.That(() => LoraRequest.Parse(wrong), Throws.ArgumentException.With.Message.Contains("name=path"));
    }

    private static LoraAdapter Load(TemporaryAdapter adapter) =>
        new LoraLoader(Targets(), panelWidth: 32, maxRank: 32).Load(new LoraRequest("a", adapter.Folder));
}
