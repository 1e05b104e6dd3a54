using Beam.ML.Vllm.Kernels;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Kernels;

/// <summary>Products with weights of 8 and 4 bits, on every instruction set that the machine has.</summary>
[TestFixture]
public sealed unsafe class QuantizedKernelTests
{
    private static readonly InstructionSet[] Sets = [.. Enum.GetValues<InstructionSet>().Where(InstructionSets.IsSupported)];

    private static readonly string[] Codes = Enum.GetNames<WeightCode>();

    private static readonly (int Inputs, int Group)[] Shapes = [(1, 32), (7, 7), (40, 8), (64, 32), (96, 128), (100, 16), (130, 64), (256, 256), (300, 1000), (384, 96)];

    [Test]
    public void Every_code_stands_for_what_its_format_says()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Enumerable.Range(0, 16).Select(i => WeightCode.Int4.ToSingle((uint)i)), Is.EqualTo(Enumerable.Range(-8, 16)));
            Assert.That(Enumerable.Range(0, 256).Select(i => WeightCode.Int8.ToSingle((uint)i)), Is.EqualTo(Enumerable.Range(-128, 256)));
            Assert.That(
                Enumerable.Range(0, 16).Select(i => WeightCode.Float4E2M1.ToSingle((uint)i)),
                Is.EqualTo(new[] { 0f, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6 }));
            foreach (var (bits, value) in new (uint, double)[] { (0x00, 0), (0x01, Math.Pow(2, -9)), (0x07, 7 * Math.Pow(2, -9)), (0x08, Math.Pow(2, -6)), (0x38, 1), (0x3C, 1.5), (0x7E, 448), (0xB8, -1), (0xFE, -448) })
                Assert.That(WeightCode.Float8E4M3.ToSingle(bits), Is.EqualTo(value), $"e4m3 {bits:X2}");
            for (var bits = 0u; bits < 256; bits++)
            {
                var half = (float)BitConverter.UInt16BitsToHalf((ushort)(bits << 8));
                Assert.That(WeightCode.Float8E5M2.IsNotFinite(bits), Is.EqualTo(!float.IsFinite(half)));
                if (float.IsFinite(half)) Assert.That(WeightCode.Float8E5M2.ToSingle(bits), Is.EqualTo(half), $"e5m2 {bits:X2}");
            }
        });
    }

    [Test]
    public void What_is_written_is_read_back([ValueSource(nameof(Codes))] string name, [Values] bool zeros, [Values] bool wideScales)
    {
        var code = Enum.Parse<WeightCode>(name);
        var random = new Random(1);
        foreach (var (inputs, group) in Shapes)
        {
            foreach (var order in new[] { null, Shuffled(random, inputs) })
            {
                var weights = new Weights(random, code, outputs: 37, inputs, group, zeros, wideScales, order);
                foreach (var panelWidth in new[] { 8, 16, 32 })
                {
                    using var matrix = weights.Pack(panelWidth);
                    var row = new float[inputs];
                    for (var output = 0; output < matrix.Outputs; output++)
                    {
                        matrix.GetOutput(output, 2, row);
                        Assert.That(row, Is.EqualTo(weights.Row(output).Select(w => 2 * w)), $"{inputs} in groups of {group}, output {output}");
                    }
                }
            }
        }
    }

    [Test]
    public void Products_match_plain_loops_for_all_shapes([ValueSource(nameof(Codes))] string name, [Values] bool zeros, [Values] bool wideScales)
    {
        var code = Enum.Parse<WeightCode>(name);
        var random = new Random(2);
        foreach (var (inputs, group) in Shapes)
        {
            foreach (var (rows, outputs) in new[] { (1, 1), (1, 300), (2, 33), (3, 64), (5, 31), (8, 40), (13, 129), (27, 16), (100, 33) })
            {
                var order = random.Next(2) == 0 ? Shuffled(random, inputs) : null;
                var weights = new Weights(random, code, outputs, inputs, group, zeros, wideScales, order);
                var x = Floats(random, rows * inputs);
                var (expected, sizes) = weights.Multiply(x, rows);
                foreach (var set in Sets)
                {
                    var accumulate = random.Next(2) == 0;
                    var y = Multiply(set, 2, weights, x, rows, accumulate);
                    for (var i = 0; i < y.Length; i++)
                        Assert.That(y[i] - (accumulate ? 1 : 0), Is.EqualTo(expected[i]).Within(2e-6 * (sizes[i] + 1)), $"{set} [{rows}, {inputs}, {outputs}] in groups of {group} at {i}");
                }
            }
        }
    }

    [Test]
    public void A_product_has_the_same_bits_for_any_number_of_rows_and_threads([ValueSource(nameof(Codes))] string name, [Values] bool zeros)
    {
        var code = Enum.Parse<WeightCode>(name);
        var random = new Random(3);
        const int rows = 40, inputs = 300, outputs = 170;
        var weights = new Weights(random, code, outputs, inputs, group: 64, zeros, wideScales: zeros, order: null);
        var x = Floats(random, rows * inputs);
        foreach (var set in Sets)
        {
            var whole = Multiply(set, 1, weights, x, rows);
            for (var count = 1; count < rows; count++)
                Assert.That(Multiply(set, 1 + (count % 4), weights, x[..(count * inputs)], count), Is.EqualTo(whole[..(count * outputs)]), $"{set} with {count} rows");
        }
    }

    [Test]
    public void Rows_beyond_one_chunk_have_the_same_bits([ValueSource(nameof(Codes))] string name)
    {
        var code = Enum.Parse<WeightCode>(name);
        var random = new Random(4);
        const int rows = 205, inputs = 256, outputs = 65;
        var weights = new Weights(random, code, outputs, inputs, group: 128, zeros: true, wideScales: false, order: Shuffled(random, inputs));
        var x = Floats(random, rows * inputs);
        foreach (var set in Sets)
        {
            var whole = Multiply(set, 2, weights, x, rows);
            foreach (var row in new[] { 0, 7, 95, 96, 101, 191, 204 })
                Assert.That(Multiply(set, 1, weights, x[(row * inputs)..((row + 1) * inputs)], 1), Is.EqualTo(whole[(row * outputs)..((row + 1) * outputs)]), $"{set} row {row}");
        }
    }

    [Test]
    public void Scales_of_zero_and_scales_that_are_no_numbers_are_data()
    {
        var weights = new Weights(new Random(5), WeightCode.Int4, outputs: 3, inputs: 64, group: 32, zeros: true, wideScales: true, order: null);
        weights.Scales[0][1] = 0;
        weights.Scales[1][0] = float.NaN;
        weights.Scales[2][0] = float.PositiveInfinity;
        foreach (var set in Sets)
        {
            var y = Multiply(set, 1, weights, Floats(new Random(6), 2 * 64), 2);
            Assert.That(float.IsFinite(y[0]) && float.IsNaN(y[1]) && !float.IsFinite(y[2]), $"{set}: {string.Join(", ", y)}");
        }
    }

    [Test]
    public void Stacked_matrices_are_one_output_after_the_other()
    {
        var random = new Random(7);
        var first = new Weights(random, WeightCode.Int8, outputs: 20, inputs: 64, group: 32, zeros: false, wideScales: false, order: null);
        var second = new Weights(random, WeightCode.Int4, outputs: 45, inputs: 64, group: 32, zeros: true, wideScales: false, order: Shuffled(random, 64));
        var x = Floats(random, 5 * 64);
        foreach (var set in Sets)
        {
            using var pool = new WorkerPool(2);
            using var kernels = CpuKernels.Create(set, pool);
            using var stacked = new StackedMatrix([first.Pack(kernels.PanelWidth), second.Pack(kernels.PanelWidth)]);
            var y = new float[5 * 65];
            fixed (float* px = x, py = y) kernels.Multiply(new Matrix(px, 5, 64, 64), stacked, new Matrix(py, 5, 65, 65));
            float[] a = Multiply(set, 1, first, x, 5), b = Multiply(set, 1, second, x, 5);
            for (var row = 0; row < 5; row++)
                Assert.That(y[(row * 65)..((row + 1) * 65)], Is.EqualTo(a[(row * 20)..((row + 1) * 20)].Concat(b[(row * 45)..((row + 1) * 45)])), $"{set}");
            var weights = new float[64];
            stacked.GetOutput(22, 1, weights);
            Assert.That(weights, Is.EqualTo(second.Row(2)));
        }
    }

    [Test]
    public void Four_bits_stay_four_bits()
    {
        using var symmetric = new QuantizedMatrix(4096, 4096, new QuantizedLayout(WeightCode.Int4, 32), 32);
        using var wide = new QuantizedMatrix(4096, 4096, new QuantizedLayout(WeightCode.Int4, 128, HasZeroPoints: true, HasFloat32Scales: true), 32);
        using var bytes = new QuantizedMatrix(4096, 4096, new QuantizedLayout(WeightCode.Int8, 32), 32);
        Assert.Multiple(() =>
        {
            Assert.That(symmetric.Bytes * 8.0 / (4096 * 4096), Is.EqualTo(4.5));
            Assert.That(wide.Bytes * 8.0 / (4096 * 4096), Is.EqualTo(4.375));
            Assert.That(bytes.Bytes * 8.0 / (4096 * 4096), Is.EqualTo(8.5));
            Assert.That(QuantizedMatrix.BitsPerWeight(symmetric.Layout, 4096), Is.EqualTo(4.5));
        });
    }

    private static float[] Multiply(InstructionSet set, int threads, Weights weights, float[] x, int rows, bool accumulate = false)
    {
        using var pool = new WorkerPool(threads);
        using var kernels = CpuKernels.Create(set, pool);
        using var matrix = weights.Pack(kernels.PanelWidth);
        var y = new float[rows * matrix.Outputs];
        Array.Fill(y, 1);
        fixed (float* px = x, py = y)
            kernels.Multiply(new Matrix(px, rows, matrix.Inputs, matrix.Inputs), matrix, new Matrix(py, rows, matrix.Outputs, matrix.Outputs), accumulate);
        return y;
    }

    private static float[] Floats(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];

    private static int[] Shuffled(Random random, int count)
    {
        var order = Enumerable.Range(0, count).ToArray();
        random.Shuffle(order);
        return order;
    }

    /// <summary>Random codes, scales and zero points, and what they stand for.</summary>
    private sealed class Weights
    {
        private readonly QuantizedLayout _layout;
        private readonly int _inputs;
        private readonly byte[][] _codes;
        private readonly float[][] _zeros;

        public Weights(Random random, WeightCode code, int outputs, int inputs, int group, bool zeros, bool wideScales, int[]? order)
        {
            _inputs = inputs;
            _layout = new QuantizedLayout(code, group, zeros, wideScales) { InputOrder = order };
            var (groups, limit) = (_layout.Groups(inputs), 1 << (32 / code.PerWord()));
            _codes = [.. Enumerable.Range(0, outputs).Select(_ => Enumerable.Range(0, inputs).Select(_ => Code()).ToArray())];
            Scales = [.. Enumerable.Range(0, outputs).Select(_ => Floats(random, groups).Select(s => wideScales ? s : BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(s))).ToArray())];
            _zeros = [.. Enumerable.Range(0, outputs).Select(_ => zeros ? Enumerable.Range(0, groups).Select(_ => (float)random.Next(-8, 9)).ToArray() : [])];

            byte Code()
            {
                uint bits;
                do bits = (uint)random.Next(limit);
                while (code.IsNotFinite(bits));
                return (byte)bits;
            }
        }

        public float[][] Scales { get; }

        public QuantizedMatrix Pack(int panelWidth)
        {
            var matrix = new QuantizedMatrix(_codes.Length, _inputs, _layout, panelWidth);
            for (var output = 0; output < _codes.Length; output++) matrix.SetOutput(output, _codes[output], Scales[output], _zeros[output]);
            return matrix;
        }

        public float[] Row(int output)
        {
            var row = new float[_inputs];
            for (var i = 0; i < _inputs; i++)
            {
                var group = i / _layout.GroupSize;
                var value = _layout.Code.ToSingle(_codes[output][i]) - (_layout.HasZeroPoints ? _zeros[output][group] : 0);
                row[_layout.InputOrder?[i] ?? i] = value * Scales[output][group];
            }

            return row;
        }

        /// <summary>In doubles; and the sum of the sizes of what was added up, which errors are measured by.</summary>
        public (double[] Products, double[] Sizes) Multiply(float[] x, int rows)
        {
            var (outputs, inputs) = (_codes.Length, _inputs);
            double[] products = new double[rows * outputs], sizes = new double[rows * outputs];
            for (var o = 0; o < outputs; o++)
            {
                var weights = Row(o);
                for (var r = 0; r < rows; r++)
                {
                    for (var k = 0; k < inputs; k++)
                    {
                        var product = (double)x[(r * inputs) + k] * weights[k];
                        products[(r * outputs) + o] += product;
                        sizes[(r * outputs) + o] += Math.Abs(product) + Math.Abs(x[(r * inputs) + k] * Scales[o][0]);
                    }
                }
            }

            return (products, sizes);
        }
    }
}
