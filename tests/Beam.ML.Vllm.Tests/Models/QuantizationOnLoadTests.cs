using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Weights.Quantization;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>Plain weights that become integers of 8 or 4 bits while they are loaded.</summary>
[TestFixture]
public sealed class QuantizationOnLoadTests
{
    private static readonly string[] Families =
        [.. Directory.GetDirectories(Path.Combine(TestModels.GoldenFolder, "models")).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)];

    [Test]
    public void Eight_bits_err_by_half_a_step_at_most()
    {
        var random = new Random(1);
        var weights = Enumerable.Range(0, 100).Select(_ => (float)((random.NextDouble() * 2) - 1)).ToArray();
        var (codes, scales) = (new byte[100], new float[4]);
        GroupQuantizer.Int8(weights, codes, scales);
        for (var i = 0; i < weights.Length; i++) Assert.That((codes[i] - 128) * scales[i / 32], Is.EqualTo(weights[i]).Within(0.5001 * scales[i / 32]));
        for (var group = 0; group < 4; group++)
            Assert.That(scales[group], Is.EqualTo(weights.Skip(32 * group).Take(32).Max(MathF.Abs) / 127).Within(0.8).Percent);
    }

    [Test]
    public void Four_bits_keep_the_extreme_and_err_by_a_step_at_most()
    {
        var random = new Random(2);
        var weights = Enumerable.Range(0, 3200).Select(_ => (float)((random.NextDouble() * 2) - 1)).ToArray();
        var (codes, scales) = (new byte[3200], new float[100]);
        GroupQuantizer.Int4(weights, codes, scales);
        var errors = weights.Select((w, i) => Math.Abs(w - ((codes[i] - 8) * scales[i / 32])) / Math.Abs(scales[i / 32])).ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(errors.Max(), Is.LessThanOrEqualTo(1.01));
            Assert.That(Math.Sqrt(errors.Average(e => e * e)), Is.LessThan(0.33), "in steps; rounding alone errs by 0.29");
        });
    }

    [Test]
    public void Weights_of_zero_stay_zero_and_weights_that_are_no_numbers_stay_so()
    {
        var (codes, scales) = (new byte[32], new float[1]);
        GroupQuantizer.Int8(new float[32], codes, scales);
        Assert.That((codes.Distinct().Single(), scales[0]), Is.EqualTo(((byte)128, 0f)));
        GroupQuantizer.Int4(new float[32], codes, scales);
        Assert.That((codes.Distinct().Single(), scales[0]), Is.EqualTo(((byte)8, 0f)));
        foreach (var bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            var weights = new float[32];
            weights[7] = bad;
            GroupQuantizer.Int8(weights, codes, scales);
            Assert.That(float.IsNaN(scales[0]));
            GroupQuantizer.Int4(weights, codes, scales);
            Assert.That(float.IsNaN(scales[0]));
        }
    }

    [Test]
    public void Logits_stay_close([ValueSource(nameof(Families))] string family)
    {
        using var eight = new RunnerHarness(TestModels.Golden(family), quantization: "int8");
        using var four = new RunnerHarness(TestModels.Golden(family), quantization: "int4");
        double error8 = 0, error4 = 0, size = 0;
        GoldenCases.ForEach(TestModels.Golden(family), (prompt, expected, _, _) =>
        {
            error8 += GoldenCases.Error(eight.Logits(RunnerHarness.NewSequence(prompt)), expected);
            error4 += GoldenCases.Error(four.Logits(RunnerHarness.NewSequence(prompt)), expected);
            size += GoldenCases.Error([.. expected.Select(e => new float[e.Length])], expected);
        });
        TestContext.Out.WriteLine($"relative error of logits: int8 {error8 / size:P2}, int4 {error4 / size:P2}");

        // Random weights, and choices of experts that a rounding can flip, make much of small errors: a trained model makes little.
        Assert.That(error8 / size, Is.LessThan(0.2));
        Assert.That(error4 / size, Is.LessThan(0.75).And.GreaterThan(error8 / size));
    }

    [Test]
    public void A_row_has_the_same_bits_whatever_is_beside_it(
        [Values("llama", "gemma3_text", "qwen3_moe", "gpt2")] string family, [Values("int8", "int4")] string quantization, [Values] GoldenModelTests.InstructionSetChoice set)
    {
        if (!InstructionSets.IsSupported((InstructionSet)set)) Assert.Ignore($"This machine has no {set}.");
        using var alone = new RunnerHarness(TestModels.Golden(family), threads: 1, set: (InstructionSet)set, quantization: quantization);
        using var together = new RunnerHarness(TestModels.Golden(family), threads: 3, set: (InstructionSet)set, quantization: quantization);
        BatchInvariance.Check(alone, together, rounds: 3);
    }

    [Test]
    public async Task A_trained_model_still_knows_its_answers([Values("int8", "int4")] string quantization)
    {
        await using var exact = new LlmEngine(Options(null));
        await using var quantized = new LlmEngine(Options(quantization));
        using var json = TestModels.ReadJson(TestModels.GoldenFolder, "tiny_gemma.json");
        string[] prompts = [.. json.RootElement.GetProperty("cases").EnumerateArray().Select(c => c.GetProperty("prompt").GetString()!)];
        var parameters = new SamplingParams { Temperature = 0, MaxTokens = 32 };
        var expected = await Task.WhenAll(prompts.Select(p => exact.CompleteAsync(p, parameters)));
        var actual = await Task.WhenAll(prompts.Select(p => quantized.CompleteAsync(p, parameters)));
        var same = prompts.Where((_, i) => expected[i].Text == actual[i].Text).Count();
        TestContext.Out.WriteLine($"{same} of {prompts.Length} answers are the same");
        Assert.That(same, Is.GreaterThanOrEqualTo(quantization == "int8" ? 78 : 72));
    }

    private static EngineOptions Options(string? quantization) => new() { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 512, Quantization = quantization };
}
