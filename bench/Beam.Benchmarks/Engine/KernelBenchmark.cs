using Beam.Cli.Engine.Bench;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;

namespace Beam.Benchmarks.Engine;

/// <summary>
/// Matrix products alone, for so many rows at a time, in every format and on every path: how near they come to what the machine's
/// arithmetic and memory do. The matrices are as many as no cache holds, and are gone through as a decode goes through its layers.
/// </summary>
internal sealed unsafe class KernelBenchmark : IBenchmark
{
    private const int Inputs = 2048, Outputs = 4096;

    // 16 GFLOP or so each time: many rows go through fewer matrices.
    private const int MostMatrices = 24;
    private const int Budget = 1024;
    private static readonly int[] Batches = [1, 2, 4, 8, 12, 16, 32, 64, 512];

    public string Verb => "kernels";

    public string Group => "kernels";

    public string Description => $"Products with matrices of [{Outputs}, {Inputs}], for 1 to {Batches[^1]} rows, beside the machine's measured peaks.";

    public Task RunAsync(BenchmarkSettings settings)
    {
        var threads = settings.Threads == 0 ? Environment.ProcessorCount : settings.Threads;
        Console.WriteLine($"{"kernels of " + threads + " threads",-26} {"rows",5} {"GFLOP/s",10} {"of FMA",8} {"GB/s",8} {"of reading",10}   per CPU second: of FMA, of reading");
        using var pool = new WorkerPool(threads);
        foreach (var path in new[] { MatrixKernels.Intrinsics, MatrixKernels.Fma, MatrixKernels.BFloat16Dot, MatrixKernels.Int8Dot })
        {
            CpuKernels kernels;
            try
            {
                kernels = CpuKernels.Create(InstructionSets.Best, pool, path);
            }
            catch (NotSupportedException e)
            {
                Console.WriteLine($"{path}: {e.Message}");
                continue;
            }

            using (kernels)
            {
                if (path is MatrixKernels.Intrinsics or MatrixKernels.Fma) Measure(settings, threads, kernels, $"{path}, float32", () => Packed(kernels, WeightFormat.Float32));
                if (path != MatrixKernels.Int8Dot) Measure(settings, threads, kernels, $"{path}, bfloat16", () => Packed(kernels, WeightFormat.BFloat16));
                if (path is MatrixKernels.Fma or MatrixKernels.Int8Dot) Measure(settings, threads, kernels, $"{path}, int8", () => Quantized(kernels, WeightCode.Int8));
                if (path is MatrixKernels.Fma or MatrixKernels.Int8Dot) Measure(settings, threads, kernels, $"{path}, int4", () => Quantized(kernels, WeightCode.Int4));
            }
        }

        return Task.CompletedTask;
    }

    private static void Measure(BenchmarkSettings settings, int threads, CpuKernels kernels, string name, Func<WeightMatrix> create)
    {
        WeightMatrix[] matrices = [.. Enumerable.Range(0, MostMatrices).Select(_ => create())];
        using var x = new NativeBuffer<float>((long)Batches[^1] * Inputs);
        using var y = new NativeBuffer<float>((long)Batches[^1] * Outputs);
        var random = new Random(1);
        foreach (ref var value in new Span<float>(x.Pointer, Batches[^1] * Inputs)) value = random.NextSingle() - 0.5f;
        Rate fma = default, reading = default;
        foreach (var rows in Batches)
        {
            var count = Math.Clamp(Budget / rows, 2, MostMatrices);
            var best = default(Rate);
            fma = Rate.Best(fma, MachinePeaks.FusedMultiplyAdd(threads));
            reading = Rate.Best(reading, MachinePeaks.ReadBandwidth(threads));
            for (var repeat = 0; repeat <= 3 * settings.Repeats; repeat++)
            {
                var start = Cost.Now();
                for (var i = 0; i < count; i++)
                    kernels.Multiply(new Matrix(x.Pointer, rows, Inputs, Inputs), matrices[i], new Matrix(y.Pointer, rows, Outputs, Outputs));
                if (repeat > 0) best = Rate.Best(best, Rate.Of(count, Cost.Now() - start));
            }

            var (operations, bytes) = (best * (2e-9 * rows * Inputs * Outputs), best * (1e-9 * matrices[0].Bytes));
            Console.WriteLine(
                $"{name,-26} {rows,5} {operations.Wall,10:N0} {operations.Wall / fma.Wall,8:P0} {bytes.Wall,8:N1} {bytes.Wall / reading.Wall,10:P0}   " +
                $"{operations.Cpu / fma.Cpu,8:P0} {bytes.Cpu / reading.Cpu,8:P0}");
        }

        Console.WriteLine($"{"the machine",-26} {"",5} {fma.Wall,10:N0} {"",8} {reading.Wall,8:N1}");
        foreach (var matrix in matrices) matrix.Dispose();
    }

    private static PackedMatrix Packed(CpuKernels kernels, WeightFormat format)
    {
        var matrix = new PackedMatrix(Outputs, Inputs, format, kernels.PanelWidth);
        var weights = Weights();
        for (var output = 0; output < Outputs; output++) matrix.SetOutput(output, weights.AsSpan(output, Inputs));
        return matrix;
    }

    private static QuantizedMatrix Quantized(CpuKernels kernels, WeightCode code)
    {
        var layout = new QuantizedLayout(code, 32);
        var matrix = new QuantizedMatrix(Outputs, Inputs, layout, kernels.PanelWidth);
        var codes = new byte[Inputs + Outputs];
        var random = new Random(2);
        foreach (ref var value in codes.AsSpan()) value = (byte)random.Next(code == WeightCode.Int8 ? 256 : 16);
        var scales = new float[layout.Groups(Inputs)];
        Array.Fill(scales, 1e-3f);
        for (var output = 0; output < Outputs; output++) matrix.SetOutput(output, codes.AsSpan(output, Inputs), scales, []);
        return matrix;
    }

    private static float[] Weights()
    {
        var random = new Random(3);
        var weights = new float[Inputs + Outputs];
        foreach (ref var weight in weights.AsSpan()) weight = random.NextSingle() - 0.5f;
        return weights;
    }
}
