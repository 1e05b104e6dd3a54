using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Weights;

/// <summary>Quantized checkpoints that are damaged, or of a form that is not known: each ends in an error that says so.</summary>
[TestFixture]
public sealed class HostileQuantizationTests
{
    private static readonly string[] Folders = ["gpt_oss_mxfp4", "llama_awq", "llama_block_fp8", "llama_compressed_fp8", "llama_compressed_int4", "llama_gptq"];

    [TestCase("llama_gptq", """{"bits":3}""", "has bits 3, which this engine does not have for gptq; it has 4, 8")]
    [TestCase("llama_gptq", """{"bits":"four"}""", "bits of quantization_config is \"four\"")]
    [TestCase("llama_gptq", """{"dynamic":{"-:.*mlp.*":{},"+:.*q_proj":{"bits":8,"group_size":64}}}""", "dynamic '+:.*q_proj' with bits 8, group_size 64, which this engine does not have for gptq; it has bits 4, group_size 32 for all modules")]
    [TestCase("llama_gptq", """{"dynamic":{"+:.*q_proj":7}}""", "dynamic '+:.*q_proj' of quantization_config is not an object")]
    [TestCase("llama_gptq", """{"bits":null}""", "bits of quantization_config is missing")]
    [TestCase("llama_gptq", """{"bits":8}""", "q_proj.qweight' has shape [8, 64] where config.json makes it [16, 64]")]
    [TestCase("llama_gptq", """{"group_size":7}""", "q_proj.qweight' is in groups of 7 inputs; groups are known in multiples of 8")]
    [TestCase("llama_gptq", """{"group_size":0}""", "group_size of quantization_config is 0")]
    [TestCase("llama_gptq", """{"group_size":16}""", "q_proj.scales' has shape [2, 64] where config.json makes it [4, 64]")]
    [TestCase("llama_gptq", """{"checkpoint_format":"marlin"}""", "has checkpoint_format marlin, which this engine does not have for gptq; it has gptq, gptq_v2")]
    [TestCase("llama_gptq", """{"quant_method":"bitsandbytes"}""", "quantized by bitsandbytes; this engine reads awq, compressed-tensors, fp8, gptq, mxfp4")]
    [TestCase("llama_gptq", """{"quant_method":7}""", "has no quant_method")]
    [TestCase("llama_gptq", """{"quant_method":"awq"}""", "q_proj.qweight' has shape [8, 64] where config.json makes it [64, 8]")]
    [TestCase("llama_awq", """{"version":"gemv"}""", "has version gemv, which this engine does not have for awq; it has gemm")]
    [TestCase("llama_awq", """{"bits":8}""", "has bits 8, which this engine does not have for awq; it has 4")]
    [TestCase("llama_block_fp8", """{"weight_block_size":[32]}""", "weight_block_size of quantization_config is [32], which is not two sizes")]
    [TestCase("llama_block_fp8", """{"weight_block_size":[32,64]}""", "q_proj.weight_scale_inv' has shape [2, 2] where config.json makes it [2, 1]")]
    [TestCase("llama_block_fp8", """{"weight_block_size":[32,12]}""", "weight_scale_inv' has shape")]
    [TestCase("llama_block_fp8", """{"quant_method":"mxfp4"}""", "holds Float8E4M3 numbers, which stand for weights only with scales")]
    [TestCase("llama_compressed_int4", """{"format":"marlin-24"}""", "has format marlin-24")]
    [TestCase("llama_compressed_int4", """{"format":"nvfp4-pack-quantized"}""", "has format nvfp4-pack-quantized")]
    [TestCase("llama_compressed_int4", """{"transform_config":{"config_groups":{}}}""", "has transform_config")]
    [TestCase("llama_compressed_int4", """{"sparsity_config":{"format":"sparse-24-bitmask"}}""", "has sparsity_config.format sparse-24-bitmask")]
    [TestCase("llama_compressed_int4", """{"config_groups":{"g":{"weights":{"num_bits":3,"type":"int"}}}}""", "has weights int of 3 bits")]
    [TestCase("llama_compressed_int4", """{"config_groups":{"g":{"weights":{"num_bits":8,"type":"float","strategy":"block"}}}}""", "block_structure of quantization_config is missing")]
    [TestCase("llama_compressed_int4", """{"config_groups":{"g":7}}""", "config_groups.g of quantization_config is not an object")]
    public void A_configuration_that_is_not_known(string name, string change, string message)
    {
        using var model = Copy(name);
        Change(model, config =>
        {
            foreach (var (key, value) in JsonNode.Parse(change)!.AsObject()) config[key] = value?.DeepClone();
        });
        AssertFails(model, message);
    }

    [TestCase("llama_gptq", "layers.0.self_attn.q_proj.qzeros", "q_proj.qweight' has no tensor 'model.layers.0.self_attn.q_proj.qzeros' beside it")]
    [TestCase("llama_awq", "layers.1.mlp.down_proj.scales", "has no tensor 'model.layers.1.mlp.down_proj.scales' beside it")]
    [TestCase("llama_gptq", "layers.2.mlp.up_proj.qweight", "the tensor 'model.layers.2.mlp.up_proj.weight'")]
    [TestCase("llama_block_fp8", "layers.0.mlp.up_proj.weight_scale_inv", "has no tensor 'model.layers.0.mlp.up_proj.weight_scale_inv' beside it")]
    [TestCase("llama_compressed_fp8", "layers.0.mlp.up_proj.weight_scale", "has no tensor 'model.layers.0.mlp.up_proj.weight_scale' beside it")]
    [TestCase("gpt_oss_mxfp4", "layers.0.mlp.experts.down_proj_scales", "has no tensor 'model.layers.0.mlp.experts.down_proj_scales' beside it")]
    public void A_tensor_that_is_missing(string name, string tensor, string message)
    {
        using var model = Copy(name);
        EditHeader(model, text => text.Replace($"model.{tensor}\"", $"modex.{tensor}\"", StringComparison.Ordinal));
        AssertFails(model, message);
    }

    [TestCase("llama_gptq", "model.layers.0.self_attn.q_proj.qweight", "[8,64]", "[64,8]", "q_proj.qweight' has shape [64, 8]")]
    [TestCase("llama_gptq", "model.layers.0.self_attn.q_proj.g_idx", "[64]", "[8,8]", "q_proj.g_idx' has shape [8, 8]")]
    [TestCase("llama_compressed_int4", "model.layers.0.self_attn.q_proj.weight_packed", "[64,8]", "[8,64]", "q_proj.weight_packed' has shape [8, 64]")]
    [TestCase("llama_compressed_int4", "model.layers.0.self_attn.q_proj.weight_scale", "[64,2]", "[2,64]", "is not a scale for each of 64 outputs")]
    [TestCase("llama_compressed_fp8", "model.layers.0.self_attn.q_proj.weight_scale", "[64,1]", "[1,64]", "neither one scale nor one for each of 64 outputs")]
    [TestCase("gpt_oss_mxfp4", "model.layers.0.mlp.experts.down_proj_blocks", "[4,64,4,16]", "[4,64,16,4]", "down_proj_blocks' has shape [4, 64, 16, 4]")]
    public void A_shape_that_is_wrong(string name, string tensor, string from, string to, string message)
    {
        using var model = Copy(name);
        EditHeader(model, text =>
        {
            var at = text.IndexOf(from, text.IndexOf($"\"{tensor}\"", StringComparison.Ordinal), StringComparison.Ordinal);
            return text.Remove(at, from.Length).Insert(at, to);
        });
        AssertFails(model, message);
    }

    [TestCase(2, "puts input 5 in group 2 of 2")]
    [TestCase(-1, "puts input 5 in group -1 of 2")]
    [TestCase(int.MinValue, "puts input 5 in group -2147483648 of 2")]
    public void A_group_that_is_not_there(int group, string message)
    {
        using var model = Copy("llama_gptq");
        WriteIntegers(model, "model.layers.0.self_attn.q_proj.g_idx", first: 5, [group]);
        AssertFails(model, "q_proj.g_idx' " + message);
    }

    [Test]
    public void A_group_with_too_many_inputs()
    {
        using var model = Copy("llama_gptq");
        WriteIntegers(model, "model.layers.0.self_attn.q_proj.g_idx", first: 0, new int[64]);
        AssertFails(model, "q_proj.g_idx' puts more than 32 inputs in group 0");
    }

    [Test]
    public void A_shape_tensor_that_says_another_shape()
    {
        using var model = Copy("llama_compressed_int4");
        WriteIntegers(model, "model.layers.0.self_attn.q_proj.weight_shape", first: 0, [65]);
        AssertFails(model, "q_proj.weight_shape' is [65, 64] where config.json makes the weights [64, 64]");
    }

    [Test]
    public void Modules_of_one_layer_may_be_stored_in_different_ways()
    {
        // The values of q_proj are taken out of the quantized form: the module counts as excluded then, and has no plain weights.
        using var model = Copy("llama_awq");
        EditHeader(model, text => text.Replace("model.layers.0.self_attn.q_proj.", "modex.layers.0.self_attn.q_proj.", StringComparison.Ordinal));
        AssertFails(model, "no *.safetensors file has the tensor 'model.layers.0.self_attn.q_proj.weight'");
    }

    [Test]
    public void Random_damage_never_does_worse_than_an_error([ValueSource(nameof(Folders))] string name)
    {
        var random = new Random(1);
        var whole = File.ReadAllBytes(Path.Combine(Folder(name), "model.safetensors"));
        var header = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(whole);
        for (var round = 0; round < 25; round++)
        {
            using var model = Copy(name);
            var bytes = (byte[])whole.Clone();
            if (round % 2 == 0) for (var i = 0; i < 3; i++) bytes[random.Next(8, header)] = (byte)random.Next(32, 127);
            else random.NextBytes(bytes.AsSpan(header));
            File.WriteAllBytes(model["model.safetensors"], bytes);
            try
            {
                using var harness = new RunnerHarness(model.Folder);
                harness.Logits(RunnerHarness.NewSequence([1, 2, 3]));
            }
            catch (ModelLoadException e)
            {
                Assert.That(e.Message, Does.Contain(model.Folder));
            }
        }
    }

    private static string Folder(string name) => Path.Combine(TestModels.GoldenFolder, "quantized", name);

    private static TemporaryModel Copy(string name) => new(Folder(name));

    private static void AssertFails(TemporaryModel model, string message) => Assert.That(
        () => new RunnerHarness(model.Folder).Dispose(), Throws.TypeOf<ModelLoadException>().With.Message.Contains(message));

    private static void Change(TemporaryModel model, Action<JsonObject> change)
    {
        var config = JsonNode.Parse(File.ReadAllText(model["config.json"]))!.AsObject();
        change(config["quantization_config"]!.AsObject());
        Write(model["config.json"], Encoding.UTF8.GetBytes(config.ToJsonString()));
    }

    private static void EditHeader(TemporaryModel model, Func<string, string> edit)
    {
        var bytes = File.ReadAllBytes(model["model.safetensors"]);
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        var text = edit(Encoding.UTF8.GetString(bytes, 8, length));
        var header = Encoding.UTF8.GetBytes(text.Length < length ? text.PadRight(length) : text.TrimEnd().PadRight(length));
        Assert.That(header, Has.Length.EqualTo(length));
        header.CopyTo(bytes, 8);
        Write(model["model.safetensors"], bytes);
    }

    private static void WriteIntegers(TemporaryModel model, string tensor, int first, int[] values)
    {
        var bytes = File.ReadAllBytes(model["model.safetensors"]);
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        var header = JsonNode.Parse(Encoding.UTF8.GetString(bytes, 8, length))!;
        var start = 8 + length + (int)header[tensor]!["data_offsets"]![0]!;
        for (var i = 0; i < values.Length; i++) BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(start + (4 * (first + i))), values[i]);
        Write(model["model.safetensors"], bytes);
    }

    private static void Write(string path, byte[] bytes)
    {
        File.Delete(path);
        File.WriteAllBytes(path, bytes);
    }
}
