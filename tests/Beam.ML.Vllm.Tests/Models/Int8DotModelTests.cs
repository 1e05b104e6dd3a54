using Beam.ML.Vllm.Engine;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>Models of quantized weights whose activations are rounded to 8 bits.</summary>
[TestFixture]
public sealed class Int8DotModelTests
{
    [Test]
    public void Rounded_activations_change_logits_little([Values("llama_gptq", "llama_awq", "llama_compressed_int4")] string name)
    {
        var folder = Path.Combine(TestModels.GoldenFolder, "quantized", name);
        using var harness = new RunnerHarness(folder, ModelDtype.BFloat16, kernels: MatrixKernels.Int8Dot, cache: KvCacheDtype.Float32);
        double error = 0, size = 0;
        GoldenCases.ForEach(folder, (prompt, expected, _, _) =>
        {
            error += GoldenCases.Error(harness.Logits(RunnerHarness.NewSequence(prompt)), expected);
            size += GoldenCases.Error([.. expected.Select(e => new float[e.Length])], expected);
        });
        TestContext.Out.WriteLine($"relative error of logits: {error / size:P2}");

        // 0.6 % in each product, of which random weights make more.
        Assert.That(error / size, Is.LessThan(0.06).And.GreaterThan(1e-5));
    }

    [Test]
    public void A_row_has_the_same_bits_whatever_is_beside_it(
        [Values("llama", "gemma3_text", "qwen3_moe", "gpt2")] string family, [Values("int8", "int4")] string quantization)
    {
        using var alone = new RunnerHarness(TestModels.Golden(family), ModelDtype.BFloat16, threads: 1, kernels: MatrixKernels.Int8Dot, quantization: quantization);
        using var together = new RunnerHarness(TestModels.Golden(family), ModelDtype.BFloat16, threads: 3, kernels: MatrixKernels.Int8Dot, quantization: quantization);
        BatchInvariance.Check(alone, together, rounds: 3);
    }
}
