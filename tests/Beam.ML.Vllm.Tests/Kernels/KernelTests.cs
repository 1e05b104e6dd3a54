using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Kernels;

/// <summary>Every operation on every instruction set that the machine has, against plain loops.</summary>
[TestFixture]
public sealed unsafe class KernelTests
{
    private static readonly InstructionSet[] Sets = [.. Enum.GetValues<InstructionSet>().Where(InstructionSets.IsSupported)];

    private static readonly MatrixKernels[] Paths = [MatrixKernels.Intrinsics, MatrixKernels.Fma, MatrixKernels.BFloat16Dot];

    [Test]
    public void Products_match_plain_loops_for_all_shapes([ValueSource(nameof(Paths))] MatrixKernels path)
    {
        var random = new Random(1);
        (int Rows, int Inputs, int Outputs)[] shapes =
        [
            (1, 1, 1), (1, 64, 200), (2, 37, 33), (3, 64, 64), (5, 40, 31), (7, 16, 65), (9, 128, 129), (13, 100, 16), (32, 96, 48), (67, 50, 70),
            .. Enumerable.Range(1, 16).Select(rows => (rows, 33, 161)),
        ];
        foreach (var (rows, inputs, outputs) in shapes)
        {
            foreach (var format in Enum.GetValues<WeightFormat>())
            {
                var rounds = path == MatrixKernels.BFloat16Dot && format == WeightFormat.BFloat16;
                var weights = Floats(random, outputs * inputs, rounded: format == WeightFormat.BFloat16);
                var x = Floats(random, rows * inputs);
                var expected = new double[rows * outputs];
                for (var r = 0; r < rows; r++)
                {
                    for (var o = 0; o < outputs; o++)
                    {
                        for (var k = 0; k < inputs; k++)
                            expected[(r * outputs) + o] += (double)(rounds ? Rounded(x[(r * inputs) + k]) : x[(r * inputs) + k]) * weights[(o * inputs) + k];
                    }
                }

                foreach (var set in SetsOf(path))
                {
                    foreach (var accumulate in new[] { false, true })
                    {
                        var y = Multiply(set, 2, rows, inputs, outputs, format, weights, x, accumulate, path);
                        for (var i = 0; i < y.Length; i++)
                        {
                            var exact = expected[i] + (accumulate ? 1 : 0);
                            if (!(Math.Abs(y[i] - exact) < 2e-5)) Assert.Fail($"{set} {format} [{rows}, {inputs}, {outputs}] at {i}: {y[i]}, not {exact}");
                        }
                    }
                }
            }
        }
    }

    [Test]
    public void A_product_has_the_same_bits_for_any_number_of_rows_and_threads([ValueSource(nameof(Paths))] MatrixKernels path, [Values] bool narrow)
    {
        var random = new Random(2);
        const int rows = 70, inputs = 300, outputs = 170;
        var format = narrow ? WeightFormat.BFloat16 : WeightFormat.Float32;
        var weights = Floats(random, outputs * inputs);
        var x = Floats(random, rows * inputs);
        foreach (var set in SetsOf(path))
        {
            var whole = Multiply(set, 1, rows, inputs, outputs, format, weights, x, path: path);
            for (var count = 1; count < rows; count++)
            {
                var some = Multiply(set, 1 + (count % 4), count, inputs, outputs, format, weights, x[..(count * inputs)], path: path);
                Assert.That(some.AsSpan().SequenceEqual(whole.AsSpan(0, some.Length)), $"{set} with {count} rows");
            }
        }
    }

    [Test]
    public void Many_rows_of_many_inputs_have_the_same_bits_as_each_alone([ValueSource(nameof(Paths))] MatrixKernels path, [Values] bool narrow, [Values] bool accumulate)
    {
        var random = new Random(6);
        const int rows = 75, inputs = 12_345, outputs = 45;
        var format = narrow ? WeightFormat.BFloat16 : WeightFormat.Float32;
        var weights = Floats(random, outputs * inputs);
        var x = Floats(random, rows * inputs);
        foreach (var set in SetsOf(path))
        {
            var whole = Multiply(set, 2, rows, inputs, outputs, format, weights, x, accumulate, path);
            foreach (var row in new[] { 0, 13, 14, 74 })
            {
                var alone = Multiply(set, 1, 1, inputs, outputs, format, weights, x[(row * inputs)..((row + 1) * inputs)], accumulate, path);
                Assert.That(whole.AsSpan(row * outputs, outputs).SequenceEqual(alone), $"{set}, row {row}");
            }
        }
    }

    [Test]
    public void Assembled_code_computes_the_same_bits_as_intrinsics([Values(1, 2, 5, 13, 60)] int rows)
    {
        var random = new Random(8);
        const int inputs = 600, outputs = 130;
        float[] weights = Floats(random, outputs * inputs), x = Floats(random, rows * inputs);
        foreach (var set in SetsOf(MatrixKernels.Fma).Where(s => s == InstructionSet.Avx512))
        {
            foreach (var format in Enum.GetValues<WeightFormat>())
            {
                Assert.That(
                    Multiply(set, 1, rows, inputs, outputs, format, weights, x, path: MatrixKernels.Fma),
                    Is.EqualTo(Multiply(set, 1, rows, inputs, outputs, format, weights, x, path: MatrixKernels.Intrinsics)));
            }
        }
    }

    [Test]
    public void Norms_and_activations_match_plain_loops()
    {
        var random = new Random(3);
        foreach (var columns in new[] { 1, 7, 16, 40, 64, 100 })
        {
            const int rows = 3;
            var x = Floats(random, rows * columns * 2, scale: 6);
            var weight = Floats(random, columns);
            foreach (var set in Sets)
            {
                using var pool = new WorkerPool(2);
                using var kernels = CpuKernels.Create(set, pool);
                using var w = new NativeBuffer<float>(columns);
                weight.CopyTo(new Span<float>(w.Pointer, columns));
                var normed = new float[rows * columns];
                var gelu = new float[rows * columns];
                fixed (float* px = x, pn = normed, pg = gelu)
                {
                    kernels.RmsNorm(new Matrix(px, rows, columns, columns), w, 1e-6f, new Matrix(pn, rows, columns, columns));
                    var both = new Matrix(px, rows, 2 * columns, 2 * columns);
                    kernels.ActivateAndMultiply(Activation.GeluTanh, both.SliceColumns(0, columns), both.SliceColumns(columns, columns), new Matrix(pg, rows, columns, columns));
                }

                for (var r = 0; r < rows; r++)
                {
                    var norm = Math.Sqrt(x.Skip(r * columns).Take(columns).Average(v => (double)v * v) + 1e-6);
                    for (var c = 0; c < columns; c++)
                    {
                        Assert.That(normed[(r * columns) + c], Is.EqualTo(x[(r * columns) + c] / norm * weight[c]).Within(1e-5), $"norm {set} {columns}");
                        double g = x[(r * 2 * columns) + c], up = x[(r * 2 * columns) + columns + c];
                        var exact = 0.5 * g * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (g + (0.044715 * g * g * g)))) * up;
                        Assert.That(gelu[(r * columns) + c], Is.EqualTo(exact).Within(1e-4), $"gelu({g}) {set} {columns}");
                    }
                }
            }
        }
    }

    [Test]
    public void Attention_over_blocks_matches_plain_loops()
    {
        var random = new Random(4);
        foreach (var (heads, shared, size) in new[] { (1, 4, 32), (2, 1, 20), (2, 3, 40), (1, 5, 80) })
        {
            foreach (var format in new[] { KvCacheFormat.Float32, KvCacheFormat.BFloat16 })
            {
                foreach (var set in Sets) CheckAttention(random, set, format, heads, shared, size);
            }
        }
    }

    [Test]
    public void Conversions_to_bfloat16_round_to_nearest_even_and_keep_what_is_not_a_number()
    {
        Assert.Multiple(() =>
        {
            Assert.That(BFloat16Bits.FromSingle(1f), Is.EqualTo(0x3F80));
            Assert.That(BFloat16Bits.FromSingle(BitConverter.UInt32BitsToSingle(0x3F808000)), Is.EqualTo(0x3F80));
            Assert.That(BFloat16Bits.FromSingle(BitConverter.UInt32BitsToSingle(0x3F818000)), Is.EqualTo(0x3F82));
            Assert.That(BFloat16Bits.FromSingle(BitConverter.UInt32BitsToSingle(0x3F808001)), Is.EqualTo(0x3F81));
            Assert.That(float.IsNaN(BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(float.NaN))));
            Assert.That(BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(float.NegativeInfinity)), Is.EqualTo(float.NegativeInfinity));
        });
    }

    [Test]
    public void A_packed_matrix_gives_back_what_was_put_in()
    {
        var random = new Random(6);
        foreach (var format in Enum.GetValues<WeightFormat>())
        {
            using var packed = new PackedMatrix(70, 9, format, 32);
            var weights = Enumerable.Range(0, 70).Select(_ => Floats(random, 9, rounded: true)).ToArray();
            for (var i = 0; i < 70; i++) packed.SetOutput(i, weights[i]);
            var row = new float[9];
            for (var i = 0; i < 70; i++)
            {
                packed.GetOutput(i, 1, row);
                Assert.That(row, Is.EqualTo(weights[i]));
            }

            Assert.That(() => packed.GetOutput(70, 1, row), Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    [Test]
    public void The_pool_runs_every_part_once_and_passes_errors_on()
    {
        foreach (var threads in new[] { 1, 2, 5 })
        {
            using var pool = new WorkerPool(threads);
            for (var round = 0; round < 2000; round++)
            {
                var work = new CountWork { Counts = new int[1 + (round % 9)] };
                pool.Run(ref work, work.Counts.Length);
                Assert.That(work.Counts.All(c => c == 1));
            }

            var broken = new CountWork { Counts = [] };
            Assert.That(() => pool.Run(ref broken, 3), Throws.Exception);
            var again = new CountWork { Counts = new int[7] };
            pool.Run(ref again, 7);
            Assert.That(again.Counts, Is.All.EqualTo(1));
        }
    }

    private struct CountWork : IParallelWork
    {
        public int[] Counts;

        public readonly void Run(int part, int parts) => Interlocked.Increment(ref Counts[part]);
    }

    private static void CheckAttention(Random random, InstructionSet set, KvCacheFormat format, int heads, int shared, int size)
    {
        int[] lengths = [5, 41, 1], before = [0, 30, 16];
        var blockSize = 16;
        int[][] tables = [[7], [3, 9, 1, 8, 2], [5, 4]];
        using var pool = new WorkerPool(2);
        using var kernels = CpuKernels.Create(set, pool);
        using var cache = new KvCacheLayer(10, blockSize, heads, size, format);
        var contexts = lengths.Zip(before, (l, b) => l + b).ToArray();
        var keys = contexts.Select(c => Floats(random, c * heads * size, rounded: true)).ToArray();
        var values = contexts.Select(c => Floats(random, c * heads * size, rounded: true)).ToArray();

        // First what came before, then the step itself: keys and values of both land in the blocks.
        var batch = new PagedBatch();
        for (var s = 0; s < lengths.Length; s++) batch.Add(new int[before[s]], 0, tables[s]);
        StoreAll(kernels, cache, batch, [.. keys.SelectMany((k, s) => k[..(before[s] * heads * size)])], [.. values.SelectMany((v, s) => v[..(before[s] * heads * size)])], heads * size);
        batch.Clear();
        for (var s = 0; s < lengths.Length; s++) batch.Add(new int[lengths[s]], before[s], tables[s]);
        StoreAll(kernels, cache, batch, [.. keys.SelectMany((k, s) => k[(before[s] * heads * size)..])], [.. values.SelectMany((v, s) => v[(before[s] * heads * size)..])], heads * size);

        var width = heads * shared * size;
        var queries = Floats(random, batch.Rows * width, scale: 2);
        var output = new float[batch.Rows * width];
        fixed (float* q = queries, o = output)
            kernels.Attend(new Matrix(q, batch.Rows, width, width), cache, batch, new AttentionOptions(0.3f), new Matrix(o, batch.Rows, width, width));

        foreach (var (slice, s) in batch.Slices.Select((slice, s) => (slice, s)))
        {
            for (var row = 0; row < slice.Rows; row++)
            {
                for (var head = 0; head < heads * shared; head++)
                {
                    var query = queries.AsSpan(((slice.FirstRow + row) * width) + (head * size), size).ToArray();
                    var context = slice.FirstPosition + row + 1;
                    double[] Vector(float[] all, int p) => [.. all.Skip((p * heads * size) + (head / shared * size)).Take(size).Select(v => (double)v)];
                    var scores = Enumerable.Range(0, context).Select(p => 0.3 * Vector(keys[s], p).Zip(query, (a, b) => a * b).Sum()).ToArray();
                    var weights = scores.Select(v => Math.Exp(v - scores.Max())).ToArray();
                    for (var d = 0; d < size; d++)
                    {
                        var exact = Enumerable.Range(0, context).Sum(p => weights[p] * Vector(values[s], p)[d]) / weights.Sum();
                        Assert.That(output[((slice.FirstRow + row) * width) + (head * size) + d], Is.EqualTo(exact).Within(1e-5), $"{set} {format} {heads}×{shared}×{size}");
                    }
                }

                row += slice.Rows > 8 ? 9 : 0;
            }
        }
    }

    private static void StoreAll(CpuKernels kernels, KvCacheLayer cache, PagedBatch batch, float[] keys, float[] values, int width)
    {
        fixed (float* k = keys, v = values)
            kernels.StoreKeysValues(new Matrix(k, batch.Rows, width, width), new Matrix(v, batch.Rows, width, width), cache, batch);
    }

    private static float[] Multiply(
        InstructionSet set, int threads, int rows, int inputs, int outputs, WeightFormat format, float[] weights, float[] x, bool accumulate = false,
        MatrixKernels path = MatrixKernels.Fma)
    {
        using var pool = new WorkerPool(threads);
        using var kernels = CpuKernels.Create(set, pool, path);
        using var packed = new PackedMatrix(outputs, inputs, format, kernels.PanelWidth);
        for (var i = 0; i < outputs; i++) packed.SetOutput(i, weights.AsSpan(i * inputs, inputs));
        var y = new float[rows * outputs];
        if (accumulate) Array.Fill(y, 1);
        fixed (float* px = x, py = y)
            kernels.Multiply(new Matrix(px, rows, inputs, inputs), packed, new Matrix(py, rows, outputs, outputs), accumulate);
        return y;
    }

    /// <summary>The instruction sets that have a path; the test is skipped where none has.</summary>
    private static InstructionSet[] SetsOf(MatrixKernels path)
    {
        if (path != MatrixKernels.BFloat16Dot) return Sets;
        using var pool = new WorkerPool(1);
        using var kernels = KernelPaths.Create(pool, path);
        return [InstructionSets.Best];
    }

    [Test]
    public void Kernels_say_what_they_compute_with()
    {
        using var pool = new WorkerPool(1);
        foreach (var path in new[] { MatrixKernels.BFloat16Dot, MatrixKernels.Int8Dot, MatrixKernels.Intrinsics })
        {
            using var kernels = KernelPaths.Create(pool, path);
            Assert.That(kernels.MatrixKernels, Is.EqualTo(path));
        }

        Assert.That(() => CpuKernels.Create(InstructionSet.Portable, pool, MatrixKernels.Int8Dot), Throws.InstanceOf<NotSupportedException>().With.Message.Contains("Int8Dot"));
        Assert.That(
            () => new EngineOptions { Model = "m", Dtype = ModelDtype.Float32, MatrixKernels = MatrixKernels.BFloat16Dot }.Validate(),
            Throws.ArgumentException.With.Message.Contains("float32"));
    }

    private static float Rounded(float value) => BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(value));

    private static float[] Floats(Random random, int count, bool rounded = false, float scale = 1)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
        {
            values[i] = scale * ((2 * random.NextSingle()) - 1);
            if (rounded) values[i] = Rounded(values[i]);
        }

        return values;
    }
}
