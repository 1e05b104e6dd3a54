using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Kernels;

/// <summary>Products of weights in 8 and 4 bits with activations of 8 bits.</summary>
[TestFixture]
public sealed unsafe class Int8DotTests
{
    private static readonly (int Inputs, int Group, bool WideScales)[] Shapes =
        [(1, 32, false), (31, 32, true), (64, 32, false), (96, 96, true), (130, 64, false), (256, 128, true), (300, 300, false), (512, 256, false)];

    [Test]
    public void Products_match_plain_loops_over_rounded_activations([Values("Int8", "Int4")] string code, [Values] bool zeros)
    {
        var random = new Random(1);
        foreach (var (inputs, group, wideScales) in Shapes)
        {
            foreach (var (rows, outputs) in new[] { (1, 1), (1, 300), (2, 97), (3, 65), (4, 33), (5, 31), (6, 40), (7, 64), (8, 129), (27, 16), (60, 33) })
            {
                var order = zeros && rows % 2 == 1 ? Enumerable.Range(0, inputs).Reverse().ToArray() : null;
                var layout = new QuantizedLayout(Enum.Parse<WeightCode>(code), group, zeros, wideScales) { InputOrder = order };
                var weights = new Weights(random, outputs, inputs, layout);
                var x = Floats(random, rows * inputs);
                var y = Multiply(MatrixKernels.Int8Dot, 2, weights, layout, x, rows, accumulate: true);
                var rounded = Enumerable.Range(0, rows).SelectMany(r => Rounded(layout, x.AsSpan(r * inputs, inputs))).ToArray();
                for (var i = 0; i < y.Length; i++)
                {
                    var (row, output) = Math.DivRem(i, outputs);
                    var exact = 1.0;
                    for (var k = 0; k < inputs; k++) exact += rounded[(row * inputs) + k] * weights.Value(output, k);
                    if (!(Math.Abs(y[i] - exact) <= 2e-6 * inputs)) Assert.Fail($"[{rows}, {inputs}, {outputs}] in groups of {group} at {i}: {y[i]}, not {exact}");
                }
            }
        }
    }

    [Test]
    public void A_product_has_the_same_bits_for_any_number_of_rows_and_threads([Values(32, 128)] int group)
    {
        var random = new Random(2);
        const int rows = 50, inputs = 416, outputs = 170;
        var (weights, layout) = RandomWeights(random, outputs, inputs, group, wideScales: false);
        var x = Floats(random, rows * inputs);
        var whole = Multiply(MatrixKernels.Int8Dot, 1, weights, layout, x, rows);
        for (var count = 1; count < rows; count++)
        {
            var some = Multiply(MatrixKernels.Int8Dot, 1 + (count % 4), weights, layout, x[..(count * inputs)], count);
            Assert.That(some.AsSpan().SequenceEqual(whole.AsSpan(0, some.Length)), $"{count} rows");
        }
    }

    [Test]
    public void Weights_that_the_instructions_cannot_read_are_multiplied_as_floats()
    {
        var random = new Random(3);
        const int inputs = 120, outputs = 50;
        foreach (var layout in new[] { new QuantizedLayout(WeightCode.Int8, 24), new QuantizedLayout(WeightCode.Int4, 40), new QuantizedLayout(WeightCode.Float4E2M1, 32) })
        {
            var weights = new Weights(random, outputs, inputs, layout);
            var x = Floats(random, 3 * inputs);
            Assert.That(Multiply(MatrixKernels.Int8Dot, 1, weights, layout, x, 3), Is.EqualTo(Multiply(MatrixKernels.Fma, 1, weights, layout, x, 3)));
        }
    }

    [Test]
    public void Activations_of_zero_and_those_that_are_no_numbers_stay_so()
    {
        var (weights, layout) = RandomWeights(new Random(4), 3, 64, 32, wideScales: false);
        var x = new float[4 * 64];
        x[64] = float.NaN;
        x[128] = float.PositiveInfinity;
        x[192] = 1e-42f;
        var y = Multiply(MatrixKernels.Int8Dot, 1, weights, layout, x, 4);
        Assert.Multiple(() =>
        {
            Assert.That(y[..3], Is.All.Zero);
            Assert.That(y[3..6], Is.All.NaN);
            Assert.That(y[6..9].All(v => !float.IsFinite(v)));
            Assert.That(y[9..].All(v => Math.Abs(v) < 1e-38f));
        });
    }

    private static (Weights Weights, QuantizedLayout Layout) RandomWeights(Random random, int outputs, int inputs, int group, bool wideScales)
    {
        var layout = new QuantizedLayout(WeightCode.Int8, group, HasFloat32Scales: wideScales);
        return (new Weights(random, outputs, inputs, layout), layout);
    }

    private static float[] Multiply(MatrixKernels path, int threads, Weights weights, QuantizedLayout layout, float[] x, int rows, bool accumulate = false)
    {
        using var pool = new WorkerPool(threads);
        using var kernels = KernelPaths.Create(pool, path);
        using var matrix = new QuantizedMatrix(weights.Codes.Length, weights.Inputs, layout, kernels.PanelWidth);
        for (var output = 0; output < weights.Codes.Length; output++) matrix.SetOutput(output, weights.Codes[output], weights.Scales[output], weights.Zeros[output]);
        var y = new float[rows * matrix.Outputs];
        Array.Fill(y, 1);
        fixed (float* px = x, py = y)
            kernels.Multiply(new Matrix(px, rows, matrix.Inputs, matrix.Inputs), matrix, new Matrix(py, rows, matrix.Outputs, matrix.Outputs), accumulate);
        return y;
    }

    /// <summary>A row as the kernels round it, in the weights' order.</summary>
    private static IEnumerable<double> Rounded(QuantizedLayout layout, ReadOnlySpan<float> given)
    {
        var row = given.ToArray();
        if (layout.InputOrder is { } order) row = [.. order.Select(i => row[i])];
        var values = new List<double>();
        for (var first = 0; first < row.Length; first += 32)
        {
            var group = row.AsSpan(first, Math.Min(32, row.Length - first));
            var largest = 0f;
            foreach (var value in group) largest = MathF.Max(largest, MathF.Abs(value));
            foreach (var value in group) values.Add(Math.Round(value * (127 / largest), MidpointRounding.ToEven) * (largest / 127));
        }

        return values;
    }

    private static float[] Floats(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];

    private sealed class Weights(Random random, int outputs, int inputs, QuantizedLayout layout)
    {
        public int Inputs => inputs;

        public byte[][] Codes { get; } = [.. Enumerable.Range(0, outputs).Select(_ => Enumerable.Range(0, inputs).Select(_ => (byte)random.Next(layout.Code == WeightCode.Int8 ? 256 : 16)).ToArray())];

        public float[][] Scales { get; } =
            [.. Enumerable.Range(0, outputs).Select(_ => Floats(random, layout.Groups(inputs)).Select(s => layout.HasFloat32Scales ? s / 100 : BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(s / 100))).ToArray())];

        public float[][] Zeros { get; } =
            [.. Enumerable.Range(0, outputs).Select(_ => layout.HasZeroPoints ? Enumerable.Range(0, layout.Groups(inputs)).Select(_ => (float)random.Next(-8, 9)).ToArray() : [])];

        public double Value(int output, int input)
        {
            var group = input / layout.GroupSize;
            var code = layout.Code.ToSingle(Codes[output][input]) - (layout.HasZeroPoints ? Zeros[output][group] : 0);
            return (double)Scales[output][group] * code;
        }
    }
}
