using System.Text.Json;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>What Transformers computes from a checkpoint: expected.json and expected.safetensors of a golden folder.</summary>
internal static class GoldenCases
{
    /// <summary>Calls with prompt, logits [tokens][vocabulary], greedy continuation, and all that is noted of the case.</summary>
    public static void ForEach(string folder, Action<int[], float[][], int[], JsonElement> check)
    {
        using var json = TestModels.ReadJson(folder, "expected.json");
        using var tensors = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        var number = 0;
        foreach (var item in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            var view = tensors.Tensors[$"logits.{number++}"];
            var expected = new float[view.Rows][];
            for (var row = 0; row < view.Rows; row++) view.ReadRow(row, expected[row] = new float[view.Columns]);
            check(item.GetProperty("prompt").Ints(), expected, item.GetProperty("greedy").Ints(), item);
        }

        Assert.That(number, Is.GreaterThan(0));
    }

    /// <summary>Within what two ways of adding up floats may differ.</summary>
    public static void AssertClose(float[][] actual, float[][] expected)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length));
        var largest = 0f;
        for (var row = 0; row < expected.Length; row++)
        {
            for (var i = 0; i < expected[row].Length; i++)
            {
                largest = MathF.Max(largest, MathF.Abs(actual[row][i] - expected[row][i]));
                if (!(Math.Abs(actual[row][i] - expected[row][i]) <= 2e-3 + (1e-3 * Math.Abs(expected[row][i]))))
                    Assert.Fail($"logit {i} of row {row} is {actual[row][i]}, expected {expected[row][i]}");
            }
        }

        TestContext.Out.WriteLine($"largest error of a logit: {largest:g3}");
    }

    /// <summary>With the prompt's blocks in the cache it computes the rest alone, to the same bits.</summary>
    public static void AssertPrefixHit(RunnerHarness harness, int[] prompt, float[][] expected)
    {
        var first = RunnerHarness.NewSequence(prompt);
        var alone = harness.Logits(first);
        harness.Free(first);
        var second = RunnerHarness.NewSequence(prompt);
        var hit = harness.AttachPrefix(second);
        Assert.That(hit, Is.EqualTo((prompt.Length - 1) / 16 * 16));
        Assert.That(harness.Logits(second), Is.EqualTo(alone[hit..]), "not the same bits as without the hit");
        AssertClose(alone, expected);
        harness.Free(second);
    }

    /// <summary>The likeliest tokens are those that Transformers chose.</summary>
    public static void AssertGreedy(RunnerHarness harness, int[] prompt, int[] greedy)
    {
        var sequence = RunnerHarness.NewSequence(prompt);
        for (var i = 0; i < greedy.Length; i++) sequence.Append(Sampler.ArgMax(harness.Logits(sequence)[^1]));
        Assert.That(sequence.OutputTokens.ToArray(), Is.EqualTo(greedy));
        harness.Free(sequence);
    }

    /// <summary>Root mean square of the differences.</summary>
    public static double Error(float[][] actual, float[][] expected) =>
        Math.Sqrt(actual.Zip(expected, (a, e) => a.Zip(e, (x, y) => Math.Pow(x - y, 2)).Average()).Average());
}
