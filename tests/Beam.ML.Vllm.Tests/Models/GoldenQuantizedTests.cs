using System.Text.Json.Nodes;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Quantization;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>Checkpoints that are quantized already, against what Transformers computes from the weights that their numbers stand for.</summary>
[TestFixture]
public sealed class GoldenQuantizedTests
{
    private static readonly string[] Folders = ["gpt_oss_mxfp4", "llama_awq", "llama_block_fp8", "llama_compressed_fp8", "llama_compressed_int4", "llama_gptq"];

    [Test]
    public void Float32_logits_match_whatever_the_chunks([ValueSource(nameof(Folders))] string name, [Values(int.MaxValue, 7, 1)] int chunk)
    {
        using var harness = new RunnerHarness(Folder(name));
        GoldenCases.ForEach(Folder(name), (prompt, expected, _, _) => GoldenCases.AssertClose(harness.Logits(RunnerHarness.NewSequence(prompt), chunk), expected));
    }

    [Test]
    public void Float32_logits_match_on_every_instruction_set(
        [ValueSource(nameof(Folders))] string name, [Values] GoldenModelTests.InstructionSetChoice set, [Values(1, 3)] int threads)
    {
        if (!InstructionSets.IsSupported((InstructionSet)set)) Assert.Ignore($"This machine has no {set}.");
        using var harness = new RunnerHarness(Folder(name), threads: threads, set: (InstructionSet)set);
        GoldenCases.ForEach(Folder(name), (prompt, expected, _, _) => GoldenCases.AssertClose(harness.Logits(RunnerHarness.NewSequence(prompt)), expected));
    }

    [Test]
    public void Float32_logits_match_after_a_prefix_hit([ValueSource(nameof(Folders))] string name)
    {
        using var harness = new RunnerHarness(Folder(name));
        GoldenCases.ForEach(Folder(name), (prompt, expected, _, _) => GoldenCases.AssertPrefixHit(harness, prompt, expected));
    }

    [Test]
    public void Float32_greedy_continuations_are_the_same([ValueSource(nameof(Folders))] string name)
    {
        using var harness = new RunnerHarness(Folder(name));
        GoldenCases.ForEach(Folder(name), (prompt, _, greedy, _) => GoldenCases.AssertGreedy(harness, prompt, greedy));
    }

    [Test]
    public void A_row_has_the_same_bits_whatever_is_beside_it([ValueSource(nameof(Folders))] string name, [Values] GoldenModelTests.InstructionSetChoice set)
    {
        if (!InstructionSets.IsSupported((InstructionSet)set)) Assert.Ignore($"This machine has no {set}.");
        using var alone = new RunnerHarness(Folder(name), threads: 1, set: (InstructionSet)set);
        using var together = new RunnerHarness(Folder(name), threads: 3, set: (InstructionSet)set);
        BatchInvariance.Check(alone, together, rounds: 4);
    }

    [Test]
    public void A_step_takes_nothing_from_the_heap([ValueSource(nameof(Folders))] string name)
    {
        using var harness = new RunnerHarness(Folder(name), threads: 2);
        Sequence a = RunnerHarness.NewSequence([5, 9, 2, 7]), b = RunnerHarness.NewSequence([3, 8]);
        harness.Logits(a);
        harness.Logits(b);
        Assert.That(harness.AllocatedByDecoding(a, b), Is.Zero);
    }

    [Test]
    public void The_method_may_be_named_if_it_is_the_checkpoints_own()
    {
        Assert.That(() => new RunnerHarness(Folder("llama_awq"), quantization: "awq").Dispose(), Throws.Nothing);
        Assert.That(
            () => new RunnerHarness(Folder("llama_awq"), quantization: "gptq").Dispose(),
            Throws.ArgumentException.With.Message.EqualTo(
                "Quantization method specified in the model config (awq) does not match the quantization method specified in the `quantization` argument (gptq)."));
        Assert.That(() => new RunnerHarness(Folder("llama_gptq"), quantization: "int8").Dispose(), Throws.ArgumentException.With.Message.Contains("does not match"));
        Assert.That(() => new RunnerHarness(TestModels.Golden("llama"), quantization: "awq").Dispose(), Throws.ArgumentException.With.Message.Contains("int4 or int8"));
        Assert.That(
            () => new EngineOptions { Model = "any", Quantization = "int3" }.Validate(),
            Throws.ArgumentException.With.Message.EqualTo("Unknown quantization method: int3. Must be one of awq, compressed-tensors, fp8, gptq, int4, int8, mxfp4."));
    }

    [TestCase("llama_gptq", "quantize_config.json", """{"bits":4,"group_size":32,"desc_act":true,"sym":false,"damp_percent":0.01}""")]
    [TestCase("llama_awq", "quant_config.json", """{"zero_point":true,"q_group_size":32,"w_bit":4,"version":"GEMM"}""")]
    [TestCase("llama_awq", "quantize_config.json", """{"zero_point":true,"q_group_size":32,"w_bit":4,"version":"GEMM"}""")]
    public void Settings_in_a_file_of_their_own_are_as_good(string name, string file, string settings)
    {
        using var model = new TemporaryModel(Folder(name));
        var config = JsonNode.Parse(File.ReadAllText(model["config.json"]))!.AsObject();
        config.Remove("quantization_config");
        File.WriteAllText(model["config.json"], config.ToJsonString());
        File.WriteAllText(model[file], settings);
        using RunnerHarness apart = new(model.Folder), together = new(Folder(name));
        Assert.That(apart.Logits(RunnerHarness.NewSequence([5, 9, 2])), Is.EqualTo(together.Logits(RunnerHarness.NewSequence([5, 9, 2]))));
        Assert.That(apart.WeightBytes, Is.EqualTo(together.WeightBytes));

        File.WriteAllText(model[file], settings.Replace(":4", ":3", StringComparison.Ordinal));
        Assert.That(
            () => new RunnerHarness(model.Folder).Dispose(),
            Throws.TypeOf<ModelLoadException>().With.Message.StartsWith($"'{model[file]}': the quantization has bits 3, which this engine does not have for "));
    }

    [Test]
    public void The_memory_is_foreseen([ValueSource(nameof(Folders))] string name) => AssertForeseen(Folder(name), quantization: null);

    [Test]
    public void The_memory_is_foreseen_when_quantizing([Values("llama", "gemma2", "mixtral", "gpt2")] string family, [Values("int8", "int4")] string quantization) =>
        AssertForeseen(TestModels.Golden(family), quantization);

    private static void AssertForeseen(string folder, string? quantization)
    {
        using var harness = new RunnerHarness(folder, quantization: quantization);
        using var checkpoint = Checkpoint.Open(folder);
        var foreseen = checkpoint.BytesInMemory(roundToBFloat16: false, QuantizationMethods.Choose(ModelConfig.Load(folder), quantization));
        Assert.That(harness.WeightBytes, Is.EqualTo(foreseen).Within(12).Percent);
    }

    private static string Folder(string name) => Path.Combine(TestModels.GoldenFolder, "quantized", name);
}
