using Beam.ML.Vllm.Kernels;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Kernels;

/// <summary>What single families need of the kernels, on every instruction set that the machine has, against plain loops.</summary>
[TestFixture]
public sealed unsafe class LayerKernelTests
{
    private static readonly InstructionSet[] Sets = [.. Enum.GetValues<InstructionSet>().Where(InstructionSets.IsSupported)];

    [Test]
    public void Attention_with_windows_caps_and_sinks_matches_plain_loops()
    {
        var random = new Random(21);
        foreach (var (window, cap, hasSinks) in new[] { (1, 0f, false), (7, 0f, false), (16, 3f, false), (33, 0f, true), (int.MaxValue, 2f, true), (20, 1.5f, true) })
        {
            foreach (var set in Sets) CheckAttention(random, set, window, cap, hasSinks);
        }
    }

    [Test]
    public void A_window_gives_the_same_bits_for_any_rows_beside()
    {
        var random = new Random(22);
        foreach (var set in Sets)
        {
            var (keys, values, queries) = (Floats(random, 90 * 40), Floats(random, 90 * 40), Floats(random, 90 * 80));
            var options = new AttentionOptions(0.4f, Window: 19, SoftCap: 2);
            var whole = Attend(set, keys, values, queries, options, chunk: 90);
            foreach (var chunk in new[] { 1, 2, 5, 7, 16, 33 }) Assert.That(Attend(set, keys, values, queries, options, chunk), Is.EqualTo(whole), $"{set} {chunk}");
        }
    }

    [Test]
    public void Activations_match_plain_loops([Values] bool isSmall)
    {
        var random = new Random(23);
        var (rows, columns) = isSmall ? (1, 37) : (5, 64);
        float[] gate = Floats(random, rows * columns, 12), up = Floats(random, rows * columns, 12);
        (Activation Activation, Func<double, double, double> Exact)[] functions =
        [
            (Activation.Silu, (g, u) => g / (1 + Math.Exp(-g)) * u),
            (Activation.Relu, (g, u) => Math.Max(g, 0) * u),
            (Activation.Gelu, (g, u) => g * NormalDistribution(g) * u),
            (Activation.QuickGelu, (g, u) => g / (1 + Math.Exp(-1.702 * g)) * u),
            (new Activation(ActivationKind.ClampedSwiGlu, 1.702f, 7), (g, u) =>
            {
                var clamped = Math.Min(g, 7);
                return clamped / (1 + Math.Exp(-1.702 * clamped)) * (Math.Clamp(u, -7, 7) + 1);
            }),
        ];
        foreach (var set in Sets)
        {
            foreach (var (activation, exact) in functions)
            {
                var y = new float[gate.Length];
                With(set, k => { fixed (float* g = gate, u = up, p = y) k.ActivateAndMultiply(activation, Of(g, rows, columns), Of(u, rows, columns), Of(p, rows, columns)); });
                Assert.That(y, Is.EqualTo(gate.Zip(up, (g, u) => (float)exact(g, u))).Within(1e-4), $"{set} {activation.Kind}");
                if (activation.Kind == ActivationKind.ClampedSwiGlu) continue;
                var x = (float[])gate.Clone();
                With(set, k => { fixed (float* p = x) k.Activate(activation, Of(p, rows, columns)); });
                Assert.That(x, Is.EqualTo(gate.Select(g => (float)exact(g, 1))).Within(1e-4), $"{set} {activation.Kind}");
            }

            var capped = (float[])gate.Clone();
            With(set, k => { fixed (float* p = capped) k.SoftCap(Of(p, rows, columns), 3); });
            Assert.That(capped, Is.EqualTo(gate.Select(g => (float)(3 * Math.Tanh(g / 3.0)))).Within(2e-6), $"{set} soft cap");
        }
    }

    [Test]
    public void Norms_of_layers_and_heads_match_plain_loops([Values(1, 7, 16, 40, 100)] int size)
    {
        var random = new Random(24);
        const int rows = 3, heads = 2;
        float[] weight = Floats(random, size), bias = Floats(random, size), x = [.. Floats(random, rows * heads * size).Select(v => v + 3)];
        foreach (var set in Sets)
        {
            using var w = Native(weight);
            using var b = Native(bias);
            float[] layer = new float[x.Length], rms = new float[x.Length];
            With(set, k =>
            {
                fixed (float* px = x, pl = layer, pr = rms)
                {
                    k.LayerNorm(Of(px, rows * heads, size), w, b, 1e-5f, Of(pl, rows * heads, size));
                    k.RmsNorm(Of(px, rows, heads * size), w, 1e-6f, Of(pr, rows, heads * size));
                }
            });
            for (var i = 0; i < x.Length; i++)
            {
                var run = x.AsSpan(i / size * size, size).ToArray().Select(v => (double)v).ToArray();
                var mean = run.Average();
                var deviation = Math.Sqrt(run.Average(v => (v - mean) * (v - mean)) + 1e-5);
                Assert.That(layer[i], Is.EqualTo(((x[i] - mean) / deviation * weight[i % size]) + bias[i % size]).Within(2e-5), $"layer norm {set}");
                Assert.That(rms[i], Is.EqualTo(x[i] / Math.Sqrt(run.Average(v => v * v) + 1e-6) * weight[i % size]).Within(1e-5), $"head norm {set}");
            }
        }
    }

    [Test]
    public void Sums_of_rows_match_plain_loops([Values(5, 48)] int columns)
    {
        var random = new Random(25);
        float[] y = Floats(random, 4 * columns), x = Floats(random, 2 * columns), bias = Floats(random, columns), table = Floats(random, 9 * columns);
        var batch = new PagedBatch();
        batch.Add([1, 1, 1, 1], 3, [0]);
        foreach (var set in Sets)
        {
            var sum = (float[])y.Clone();
            using var nativeBias = Native(bias);
            using var nativeTable = Native(table);
            With(set, k =>
            {
                fixed (float* px = x, py = sum)
                {
                    var all = Of(py, 4, columns);
                    k.AddScaledRows(Of(px, 2, columns), [9, 3, 1], [9, 2, 0.5f], 1, all);
                    k.AddBias(all, nativeBias);
                    k.AddPositions(all, nativeTable, batch);
                    k.Scale(all, 3);
                }
            });
            for (var row = 0; row < 4; row++)
            {
                for (var c = 0; c < columns; c++)
                {
                    var expert = row == 3 ? 2 * x[c] : row == 1 ? 0.5f * x[columns + c] : 0;
                    var exact = 3 * (y[(row * columns) + c] + expert + bias[c] + table[((3 + row) * columns) + c]);
                    Assert.That(sum[(row * columns) + c], Is.EqualTo(exact).Within(1e-5), $"{set}");
                }
            }
        }
    }

    private static void CheckAttention(Random random, InstructionSet set, int window, float cap, bool hasSinks)
    {
        const int length = 70, size = 20, heads = 2, shared = 2;
        var (keys, values, queries) = (Floats(random, length * heads * size), Floats(random, length * heads * size), Floats(random, length * heads * shared * size, 3));
        var sinks = Floats(random, heads * shared);
        using var native = Native(sinks);
        var output = Attend(set, keys, values, queries, new AttentionOptions(0.4f, window, cap, hasSinks ? native : null), chunk: 23);
        for (var row = 0; row < length; row += 3)
        {
            for (var head = 0; head < heads * shared; head++)
            {
                var start = Math.Max(0L, row + 1L - window);
                var seen = Enumerable.Range((int)start, row + 1 - (int)start).ToArray();
                double Score(int p) => 0.4 * Enumerable.Range(0, size).Sum(d =>
                    (double)queries[(((row * heads * shared) + head) * size) + d] * keys[(((p * heads) + (head / shared)) * size) + d]);
                var weights = seen.Select(p => Math.Exp(cap > 0 ? cap * Math.Tanh(Score(p) / cap) : Score(p))).ToArray();
                var sum = weights.Sum() + (hasSinks ? Math.Exp(sinks[head]) : 0);
                for (var d = 0; d < size; d++)
                {
                    var exact = seen.Select((p, i) => weights[i] * values[(((p * heads) + (head / shared)) * size) + d]).Sum() / sum;
                    Assert.That(output[(((row * heads * shared) + head) * size) + d], Is.EqualTo(exact).Within(1e-5), $"{set} window {window} cap {cap} row {row}");
                }
            }
        }
    }

    /// <summary>Two key-value heads of 20 features, two queries each, in steps of so many rows.</summary>
    private static float[] Attend(InstructionSet set, float[] keys, float[] values, float[] queries, AttentionOptions options, int chunk)
    {
        const int size = 20, heads = 2;
        var length = keys.Length / size / heads;
        using var cache = new KvCacheLayer(8, 16, heads, size, KvCacheFormat.Float32);
        var output = new float[queries.Length];
        var batch = new PagedBatch();
        With(set, k =>
        {
            fixed (float* pk = keys, pv = values, pq = queries, po = output)
            {
                for (var first = 0; first < length; first += chunk)
                {
                    var rows = Math.Min(chunk, length - first);
                    batch.Clear();
                    batch.Add(new int[rows], first, [3, 1, 6, 0, 7, 2]);
                    k.StoreKeysValues(Of(pk + (first * 40), rows, 40), Of(pv + (first * 40), rows, 40), cache, batch);
                    k.Attend(Of(pq + (first * 80), rows, 80), cache, batch, options, Of(po + (first * 80), rows, 80));
                }
            }
        });
        return output;
    }

    /// <summary>Φ(x), by Simpson's rule.</summary>
    private static double NormalDistribution(double x)
    {
        const int steps = 4000;
        double width = x / steps, sum = 0;
        for (var i = 0; i <= steps; i++) sum += Math.Exp(-0.5 * i * i * width * width) * (i is 0 or steps ? 1 : i % 2 == 0 ? 2 : 4);
        return 0.5 + (sum * width / 3 / Math.Sqrt(2 * Math.PI));
    }

    private static Matrix Of(float* data, int rows, int columns) => new(data, rows, columns, columns);

    private static void With(InstructionSet set, Action<CpuKernels> act)
    {
        using var pool = new WorkerPool(2);
        using var kernels = CpuKernels.Create(set, pool);
        act(kernels);
    }

    private static NativeBuffer<float> Native(float[] values)
    {
        var buffer = new NativeBuffer<float>(values.Length);
        values.CopyTo(new Span<float>(buffer.Pointer, values.Length));
        return buffer;
    }

    private static float[] Floats(Random random, int count, float scale = 1) => [.. Enumerable.Range(0, count).Select(_ => scale * ((2 * random.NextSingle()) - 1))];
}
