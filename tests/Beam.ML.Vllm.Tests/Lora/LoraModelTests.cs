using System.Text.Json.Nodes;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Tests.Weights;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Lora;

/// <summary>Logits with adapters: against what PEFT computes, against merged weights, and side by side in a batch.</summary>
[TestFixture]
public sealed class LoraModelTests
{
    private static readonly string[] Adapters = ["lora_attention", "lora_all"];

    [Test]
    public void Logits_and_continuations_are_those_of_the_reference([ValueSource(nameof(Adapters))] string name, [Values(int.MaxValue, 7)] int chunk)
    {
        using var harness = new RunnerHarness(TestModels.Golden("llama"));
        using var adapter = harness.Load(Golden(name));
        using var json = TestModels.ReadJson(Golden(name), "expected.json");
        using var tensors = SafetensorsFile.Open(Path.Combine(Golden(name), "expected.safetensors"));
        var number = 0;
        foreach (var item in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            var sequence = RunnerHarness.NewSequence(item.GetProperty("prompt").Ints(), adapter);
            var logits = harness.Logits(sequence, chunk);
            var view = tensors.Tensors[$"logits.{number++}"];
            var expected = new float[view.Columns];
            for (var row = 0; row < view.Rows; row++)
            {
                view.ReadRow(row, expected);
                AssertClose(logits[row], expected);
            }

            var greedy = item.GetProperty("greedy").Ints();
            sequence.Append(Sampler.ArgMax(logits[^1]));
            for (var i = 1; i < greedy.Length; i++) sequence.Append(Sampler.ArgMax(harness.Logits(sequence)[^1]));
            Assert.That(sequence.OutputTokens.ToArray(), Is.EqualTo(greedy));
            harness.Free(sequence);
        }

        Assert.That(number, Is.EqualTo(3));
    }

    [Test]
    public void A_row_has_the_same_bits_whichever_adapters_are_beside_it()
    {
        using var alone = new RunnerHarness(TestModels.Golden("llama"));
        using var together = new RunnerHarness(TestModels.Golden("llama"), threads: 3);
        using var first = alone.Load(Golden("lora_attention"));
        using var second = alone.Load(Golden("lora_all"));
        var choices = new[] { null, first, second };
        var random = new Random(3);
        for (var round = 0; round < 20; round++)
        {
            var requests = Enumerable.Range(0, random.Next(2, 9)).Select(_ =>
                (Prompt: Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(alone.Vocabulary)).ToArray(), Adapter: choices[random.Next(3)])).ToArray();
            var expected = requests.Select(r =>
            {
                var sequence = RunnerHarness.NewSequence(r.Prompt, r.Adapter);
                var logits = alone.Logits(sequence);
                alone.Free(sequence);
                return logits;
            }).ToArray();
            var sequences = requests.Select(r => RunnerHarness.NewSequence(r.Prompt, r.Adapter)).ToArray();
            var seen = requests.Select(_ => new List<float[]>()).ToArray();
            while (sequences.Any(s => s.ComputedTokens < s.Length))
            {
                var live = Enumerable.Range(0, sequences.Length).Where(i => sequences[i].ComputedTokens < sequences[i].Length && random.Next(3) > 0).ToArray();
                if (live.Length == 0) continue;
                var logits = together.Step([.. live.Select(i => (sequences[i], random.Next(1, 20)))]);
                for (var i = 0; i < live.Length; i++) seen[live[i]].AddRange(logits[i]);
            }

            for (var i = 0; i < requests.Length; i++) Assert.That(seen[i], Is.EqualTo(expected[i]));
            foreach (var sequence in sequences) together.Free(sequence);
        }
    }

    [Test]
    public void Equal_tokens_under_different_adapters_share_no_cache()
    {
        using var harness = new RunnerHarness(TestModels.Golden("llama"));
        using var adapter = harness.Load(Golden("lora_attention"));
        using var again = harness.Load(Golden("lora_attention"));
        using var other = harness.Load(Golden("lora_all"));
        int[] prompt = [.. Enumerable.Range(0, 40)];
        var sequence = RunnerHarness.NewSequence(prompt, adapter);
        harness.Logits(sequence);
        harness.Free(sequence);
        Assert.Multiple(() =>
        {
            Assert.That(harness.AttachPrefix(RunnerHarness.NewSequence(prompt)), Is.Zero);
            Assert.That(harness.AttachPrefix(RunnerHarness.NewSequence(prompt, other)), Is.Zero);
            Assert.That(harness.AttachPrefix(RunnerHarness.NewSequence(prompt, again)), Is.EqualTo(32));
        });
    }

    [Test]
    public void A_step_with_adapters_takes_nothing_from_the_heap()
    {
        using var harness = new RunnerHarness(TestModels.Golden("llama"), threads: 2);
        using var first = harness.Load(Golden("lora_attention"));
        using var second = harness.Load(Golden("lora_all"));
        Sequence a = RunnerHarness.NewSequence([5, 9, 2, 7], first), b = RunnerHarness.NewSequence([3, 8], second), c = RunnerHarness.NewSequence([3, 8, 7]);
        foreach (var sequence in new[] { a, b, c }) harness.Logits(sequence);
        Assert.That(harness.AllocatedByDecoding(a, c, b), Is.Zero);
    }

    /// <summary>Other layouts: transposed and fused projections, biases, multimodal names, ranks and scales of their own.</summary>
    [TestCase("gpt2", "transformer.h.{0}.attn.c_attn,transformer.h.{0}.attn.c_proj,transformer.h.{0}.mlp.c_fc,transformer.h.{0}.mlp.c_proj")]
    [TestCase("phi3", "model.layers.{0}.self_attn.qkv_proj,model.layers.{0}.self_attn.o_proj,model.layers.{0}.mlp.gate_up_proj,model.layers.{0}.mlp.down_proj")]
    [TestCase("qwen2", "model.layers.{0}.self_attn.k_proj,model.layers.{0}.mlp.up_proj")]
    [TestCase("opt", "model.decoder.layers.{0}.self_attn.v_proj,model.decoder.layers.{0}.self_attn.out_proj,model.decoder.layers.{0}.fc1,model.decoder.layers.{0}.fc2")]
    [TestCase("mixtral", "model.layers.{0}.self_attn.q_proj,model.layers.{0}.self_attn.o_proj")]
    [TestCase("gemma3_multimodal", "model.language_model.layers.{0}.self_attn.q_proj,model.language_model.layers.{0}.mlp.down_proj")]
    public void An_adapter_does_what_merging_it_does(string family, string pattern)
    {
        using var merged = new TemporaryModel(TestModels.Golden(family));
        var weights = ReadAll(merged["model.safetensors"]);
        var modules = Modules(weights, family, pattern).ToArray();
        Assert.That(modules, Is.Not.Empty);
        using var adapter = new TemporaryAdapter(modules.Select(m => (m.Name, m.Inputs, m.Outputs)), rank: 5, change: config =>
        {
            config["use_rslora"] = true;
            config["alpha_pattern"] = new JsonObject { [@"layers\.1\..*|h\.1\..*"] = 7 };
        });
        foreach (var (name, inputs, outputs, tensor, transposed) in modules)
        {
            var scale = (name.Contains("layers.1.") || name.Contains("h.1.") ? 7 : 10) / MathF.Sqrt(5);
            var (product, data) = (adapter.Product(name, scale), weights[tensor].Data);
            for (var o = 0; o < outputs; o++)
            {
                for (var i = 0; i < inputs; i++) data[transposed ? (i * outputs) + o : (o * inputs) + i] += product[(o * inputs) + i];
            }
        }

        SafetensorsWriter.Write(merged["model.safetensors"], weights);
        using var harness = new RunnerHarness(TestModels.Golden(family));
        using var expected = new RunnerHarness(merged.Folder);
        using var loaded = harness.Load(adapter.Folder);
        int[] prompt = [.. Enumerable.Range(7, 33)];
        float[][] plain = harness.Logits(RunnerHarness.NewSequence(prompt)), adapted = harness.Logits(RunnerHarness.NewSequence(prompt, loaded));
        var wanted = expected.Logits(RunnerHarness.NewSequence(prompt));
        for (var row = 0; row < prompt.Length; row++) AssertClose(adapted[row], wanted[row]);
        Assert.That(plain.Zip(adapted, (p, a) => p.Zip(a, (x, y) => Math.Abs(x - y)).Max()).Max(), Is.GreaterThan(0.02), "the adapter changes next to nothing");
    }

    internal static string Golden(string name) => Path.Combine(TestModels.GoldenFolder, "quantized", name);

    /// <summary>The modules of all layers that a pattern stands for, with the tensors that have their weights.</summary>
    private static IEnumerable<(string Name, int Inputs, int Outputs, string Tensor, bool Transposed)> Modules(
        Dictionary<string, (long[] Shape, float[] Data)> weights, string family, string pattern)
    {
        foreach (var template in pattern.Split(','))
        {
            for (var layer = 0; ; layer++)
            {
                var name = string.Format(null, template, layer);
                var tensor = new[] { name, name.Replace("model.language_model.", "language_model.model."), name.Replace("transformer.", "") }
                    .Select(n => $"{n}.weight").FirstOrDefault(weights.ContainsKey);
                if (tensor is null) break;
                var (rows, columns) = ((int)weights[tensor].Shape[0], (int)weights[tensor].Shape[1]);
                var transposed = family == "gpt2";
                yield return (name, transposed ? rows : columns, transposed ? columns : rows, tensor, transposed);
            }
        }
    }

    private static Dictionary<string, (long[] Shape, float[] Data)> ReadAll(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return file.Tensors.ToDictionary(t => t.Key, t => (t.Value.Shape.ToArray(), t.Value.ToArray()));
    }

    private static void AssertClose(float[] actual, float[] expected)
    {
        for (var i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(actual[i] - expected[i]) <= 2e-3 + (1e-3 * Math.Abs(expected[i])))) Assert.Fail($"logit {i} is {actual[i]}, expected {expected[i]}");
        }
    }
}
