using System.Numerics;
using System.Runtime.Intrinsics;
using Beam.ML.Vllm.Kernels;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Kernels;

/// <summary>Attention over contexts of several chunks, in every format of the cache and on every instruction set that the machine has.</summary>
[TestFixture]
public sealed unsafe class AttentionTests
{
    private const int BlockSize = 16;

    private static readonly InstructionSet[] Sets = [.. Enum.GetValues<InstructionSet>().Where(InstructionSets.IsSupported)];

    [Test]
    public void Long_contexts_match_plain_loops([Values(1, 255, 256, 257, 300, 513, 1100)] int length)
    {
        var random = new Random(length);
        using var sinks = Native(Floats(random, 6));
        foreach (var options in new[] { new AttentionOptions(0.3f), new(0.3f, Window: 100), new(0.3f, Window: 256, SoftCap: 2), new(0.3f, Window: 600, Sinks: sinks), new(0.3f, Sinks: sinks) })
        {
            var data = new Data(random, length, heads: 2, sharing: 3, size: 40);
            foreach (var set in Sets)
            {
                var output = data.Attend(set, KvCacheFormat.Float32, options, threads: 2, rows: Math.Min(length, 3));
                for (var i = 0; i < output.Length; i += 7)
                    Assert.That(output[i], Is.EqualTo(data.Exact(i, options)).Within(1e-5), $"{set} {options} at {i}");
            }
        }
    }

    [Test]
    public void The_bits_do_not_depend_on_threads_steps_and_neighbours([Values] FormatChoice format)
    {
        var random = new Random(9);
        foreach (var (sharing, size) in new[] { (1, 32), (7, 17), (12, 16) })
        {
            var data = new Data(random, 530, heads: 2, sharing, size);
            foreach (var options in new[] { new AttentionOptions(0.2f), new(0.2f, Window: 70, SoftCap: 5), new(0.2f, Window: 400) })
            {
                foreach (var set in Sets)
                {
                    var whole = data.Attend(set, (KvCacheFormat)format, options, threads: 1, rows: 40, step: 40);
                    foreach (var (threads, step) in new[] { (1, 1), (2, 5), (3, 1), (4, 16) })
                    {
                        var last = data.Attend(set, (KvCacheFormat)format, options, threads, rows: 18, step);
                        Assert.That(last, Is.EqualTo(whole[^last.Length..]), $"{set} {options} {sharing}×{size} threads {threads} step {step}");
                    }

                    var beside = data.Attend(set, (KvCacheFormat)format, options, threads: 2, rows: 3, step: 3, neighbours: 5);
                    Assert.That(beside, Is.EqualTo(whole[^beside.Length..]), $"{set} {options} {sharing}×{size} beside others");
                }
            }
        }
    }

    /// <summary>
    /// Rounding moves a key's feature by at most half a scale, so a score by at most ε = ½ scale × Σ|query|; a weight's share by a factor
    /// within e^±2ε, and a value by half a scale.
    /// </summary>
    [Test]
    public void An_int8_cache_keeps_to_the_bound_of_its_rounding([Values(16, 100)] int size)
    {
        var random = new Random(size);
        var options = new AttentionOptions(1 / MathF.Sqrt(size));
        var data = new Data(random, 270, heads: 2, sharing: 2, size);
        double largestKey = Data.Largest(data.Keys), largestValue = Data.Largest(data.Values);
        foreach (var set in Sets)
        {
            var exact = data.Attend(set, KvCacheFormat.Float32, options, threads: 1, rows: 40, step: 40);
            var rounded = data.Attend(set, KvCacheFormat.Int8, options, threads: 1, rows: 40, step: 40);
            double squares = 0, errors = 0;
            for (var i = 0; i < exact.Length; i++)
            {
                var query = data.Query((230 * 4) + (i / size));
                var epsilon = 0.5 * largestKey * 1.01 / 127 * options.Scale * query.Sum(q => Math.Abs(q));
                var bound = ((Math.Exp(2 * epsilon) - 1) * 2 * largestValue) + (0.51 * largestValue / 127);
                Assert.That(Math.Abs(rounded[i] - exact[i]), Is.LessThan(bound + 1e-5));
                (squares, errors) = (squares + Math.Pow(exact[i], 2), errors + Math.Pow(rounded[i] - exact[i], 2));
            }

            TestContext.Out.WriteLine($"{set}: RMS error ÷ RMS {Math.Sqrt(errors / squares):g3}");
            Assert.That(Math.Sqrt(errors / squares), Is.LessThan(0.01));
        }
    }

    [Test]
    public void A_zero_key_and_a_zero_value_stay_zero_in_int8()
    {
        var data = new Data(new Random(1), 20, heads: 1, sharing: 1, size: 8);
        Array.Clear(data.Keys);
        Array.Clear(data.Values);
        foreach (var set in Sets) Assert.That(data.Attend(set, KvCacheFormat.Int8, new AttentionOptions(1), threads: 1, rows: 20, step: 20), Is.All.Zero);
    }

    [Test]
    public void Int8_takes_about_half_of_what_bfloat16_takes([Values(64, 128, 256)] int size)
    {
        var ratio = (double)KvCacheLayer.BytesPerBlock(16, 2, size, KvCacheFormat.BFloat16) / KvCacheLayer.BytesPerBlock(16, 2, size, KvCacheFormat.Int8);
        Assert.That(ratio, Is.GreaterThan(1.9).And.LessThan(2));
        Assert.That(2 * KvCacheLayer.BytesPerBlock(16, 2, size, KvCacheFormat.BFloat16), Is.EqualTo(KvCacheLayer.BytesPerBlock(16, 2, size, KvCacheFormat.Float32)));
    }

    [Test]
    public void Exponentials_are_right_to_two_units_in_the_last_place()
    {
        if (InstructionSets.IsSupported(InstructionSet.Avx512)) Check(x => Avx512Simd.Exp(Vector512.Create(x))[5]);
        if (InstructionSets.IsSupported(InstructionSet.Avx2)) Check(x => Avx2Simd.Exp(Vector256.Create(x))[5]);
        Check(x => PortableSimd.Exp(new Vector<float>(x))[1]);

        static void Check(Func<float, float> exp)
        {
            for (var x = -87f; x < 88; x += 0.0173f)
            {
                var exact = Math.Exp(x);
                Assert.That(exp(x), Is.EqualTo(exact).Within(2.5e-7 * exact), $"e^{x}");
            }

            Assert.That(exp(0), Is.EqualTo(1).Within(2e-7));
            Assert.That(new[] { exp(-150), exp(float.NegativeInfinity) }, Is.All.Zero);
            Assert.That(exp(-100), Is.LessThan(1e-37));
            Assert.That(new[] { exp(100), exp(float.PositiveInfinity) }, Is.All.GreaterThan(1e38));
            Assert.That(float.IsNaN(exp(float.NaN)));
        }
    }

    /// <summary>The formats, by a name that a public test may have.</summary>
    public enum FormatChoice
    {
        Float32 = KvCacheFormat.Float32,
        BFloat16 = KvCacheFormat.BFloat16,
        Int8 = KvCacheFormat.Int8,
    }

    private static NativeBuffer<float> Native(float[] values)
    {
        var buffer = new NativeBuffer<float>(values.Length);
        values.CopyTo(new Span<float>(buffer.Pointer, values.Length));
        return buffer;
    }

    private static float[] Floats(Random random, int count, float scale = 1) => [.. Enumerable.Range(0, count).Select(_ => scale * ((2 * random.NextSingle()) - 1))];

    /// <summary>One sequence: keys, values and queries of all its positions.</summary>
    private sealed class Data(Random random, int length, int heads, int sharing, int size)
    {
        private readonly int _width = heads * size;
        private readonly float[] _queries = Floats(random, length * heads * sharing * size, 2);

        public float[] Keys { get; } = Floats(random, length * heads * size);

        public float[] Values { get; } = Floats(random, length * heads * size);

        public static double Largest(float[] values) => values.Max(v => Math.Abs(v));

        /// <summary>The query of a position and head, counted through.</summary>
        public float[] Query(int number) => _queries[(number * size)..((number + 1) * size)];

        /// <summary>The output of the last rows, all before them being in the cache; in steps of so many, beside other sequences.</summary>
        public float[] Attend(InstructionSet set, KvCacheFormat format, AttentionOptions options, int threads, int rows, int step = 1, int neighbours = 0)
        {
            var perSequence = ((length + BlockSize - 1) / BlockSize) + 1;
            using var pool = new WorkerPool(threads);
            using var kernels = CpuKernels.Create(set, pool);
            using var cache = new KvCacheLayer(perSequence * (neighbours + 1), BlockSize, heads, size, format);
            var tables = Enumerable.Range(0, perSequence * (neighbours + 1)).ToArray();
            new Random(4).Shuffle(tables);
            var queryWidth = heads * sharing * size;
            var batch = new PagedBatch();
            var output = new float[(neighbours + 1) * rows * queryWidth];
            fixed (float* k = Keys, v = Values, q = _queries, o = output)
            {
                for (var s = 0; s <= neighbours; s++)
                {
                    batch.Clear();
                    batch.Add(new int[length], 0, tables.AsSpan(s * perSequence, perSequence));
                    kernels.StoreKeysValues(new Matrix(k, length, _width, _width), new Matrix(v, length, _width, _width), cache, batch);
                }

                if (neighbours > 0)
                {
                    // The others come first, and stop short of the end by so many positions as they have numbers.
                    batch.Clear();
                    for (var s = neighbours; s >= 0; s--) batch.Add(new int[rows], length - rows - s, tables.AsSpan(s * perSequence, perSequence));
                    var all = new float[batch.Rows * queryWidth];
                    var last = _queries.AsSpan(^(rows * queryWidth)..);
                    for (var s = 0; s <= neighbours; s++) last.CopyTo(all.AsSpan(s * rows * queryWidth));
                    fixed (float* queries = all)
                        kernels.Attend(new Matrix(queries, batch.Rows, queryWidth, queryWidth), cache, batch, options, new Matrix(o, batch.Rows, queryWidth, queryWidth));
                    return output[^(rows * queryWidth)..];
                }

                for (int first = length - rows, row = 0; row < rows; row += step)
                {
                    var count = Math.Min(step, rows - row);
                    batch.Clear();
                    batch.Add(new int[count], first + row, tables.AsSpan(0, perSequence));
                    var queries = new Matrix(q + ((long)(first + row) * queryWidth), count, queryWidth, queryWidth);
                    kernels.Attend(queries, cache, batch, options, new Matrix(o + ((long)row * queryWidth), count, queryWidth, queryWidth));
                }
            }

            return output;
        }

        /// <summary>Element i of the output of the last three rows, or fewer.</summary>
        public double Exact(int i, AttentionOptions options)
        {
            var rows = Math.Min(length, 3);
            var (row, head, feature) = (length - rows + (i / (heads * sharing * size)), i / size % (heads * sharing), i % size);
            var first = (int)Math.Max(0L, row + 1L - options.Window);
            var query = Query((row * heads * sharing) + head);
            double total = options.Sinks is null ? 0 : Math.Exp(options.Sinks.Pointer[head]), sum = 0;
            for (var p = first; p <= row; p++)
            {
                var at = (p * _width) + (head / sharing * size);
                double score = 0;
                for (var d = 0; d < size; d++) score += (double)query[d] * Keys[at + d];
                score *= options.Scale;
                if (options.SoftCap > 0) score = options.SoftCap * Math.Tanh(score / options.SoftCap);
                total += Math.Exp(score);
                sum += Math.Exp(score) * Values[at + feature];
            }

            return sum / total;
        }
    }
}
