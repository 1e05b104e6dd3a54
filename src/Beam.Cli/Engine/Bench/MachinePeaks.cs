using System.Diagnostics;
using System.Runtime.Intrinsics;
using Beam.ML.Vllm.Kernels;

namespace Beam.Cli.Engine.Bench;

/// <summary>What the machine can do at best right now: the measure for what the kernels do.</summary>
internal static unsafe class MachinePeaks
{
    private const int Rounds = 5;
    private const long BufferBytes = 512L << 20;
    private const int FmaIterations = 1 << 24;
    private const int DotIterations = 1 << 22;
    private const int Chains = 12;

    /// <summary>GB/s at which so many threads together read memory that no cache holds, in pages like those of the weights; the best of several rounds.</summary>
    public static Rate ReadBandwidth(int threads)
    {
        using var buffer = new NativeBuffer<byte>(BufferBytes);
        for (var i = 0L; i < BufferBytes; i += 1 << 28) new Span<byte>(buffer.Pointer + i, 1 << 28).Fill(1);
        var start = buffer.Pointer;
        return Best(threads, BufferBytes / 1e9, thread => Sum(start + (BufferBytes / threads * thread), BufferBytes / threads));
    }

    /// <summary>GFLOP/s of fused multiply-adds on floats in registers, the best of several rounds.</summary>
    public static Rate FusedMultiplyAdd(int threads)
    {
        var lanes = Vector512.IsHardwareAccelerated ? Vector512<float>.Count : Vector256<float>.Count;
        var operations = 2.0 * threads * FmaIterations * Chains * lanes;
        return Best(threads, operations / 1e9, _ => Vector512.IsHardwareAccelerated ? Chains512() : Chains256());
    }

    /// <summary>GFLOP/s of dot products of bfloat16 numbers, the best of several rounds; null where the processor has none.</summary>
    public static Rate? BFloat16Dot(int threads)
    {
        if (!DotPeak.IsSupported) return null;
        using var code = DotPeak.Assemble();
        if (code is null) return null;
        return Best(threads, DotPeak.OperationsPerIteration * threads * DotIterations / 1e9, _ =>
        {
            DotPeak.Run(code, DotIterations);
            return 0;
        });
    }

    private static Rate Best(int threads, double work, Func<int, float> run)
    {
        var best = new Rate(0, 0);
        for (var round = 0; round < Rounds; round++)
        {
            using var ready = new Barrier(threads + 1);
            var results = new float[threads];
            var workers = Enumerable.Range(0, threads).Select(i => new Thread(() =>
            {
                ready.SignalAndWait();
                results[i] = run(i);
            })).ToArray();
            foreach (var worker in workers) worker.Start();
            ready.SignalAndWait();
            var cpu = Environment.CpuUsage.TotalTime;
            var watch = Stopwatch.StartNew();
            foreach (var worker in workers) worker.Join();
            var (wall, busy) = (watch.Elapsed.TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
            best = new Rate(Math.Max(best.Wall, work / wall), Math.Max(best.Cpu, work / busy));
            if (results.Any(float.IsNaN)) throw new InvalidOperationException("The measurement computed nonsense.");
        }

        return best;
    }

    private static float Sum(byte* start, long bytes)
    {
        Vector512<int> a = default, b = default, c = default, d = default;
        for (var i = 0L; i + 256 <= bytes; i += 256)
        {
            a ^= Vector512.Load((int*)(start + i));
            b ^= Vector512.Load((int*)(start + i + 64));
            c ^= Vector512.Load((int*)(start + i + 128));
            d ^= Vector512.Load((int*)(start + i + 192));
        }

        return Vector512.Sum(a ^ b ^ c ^ d);
    }

    // As many chains as hide the latency of an operation that two units take on each cycle.
    private static float Chains512()
    {
        Vector512<float> x = Vector512.Create(0.999f), y = Vector512.Create(0.001f);
        Vector512<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
        for (var n = 0; n < FmaIterations; n++)
        {
            a = Vector512.FusedMultiplyAdd(a, x, y);
            b = Vector512.FusedMultiplyAdd(b, x, y);
            c = Vector512.FusedMultiplyAdd(c, x, y);
            d = Vector512.FusedMultiplyAdd(d, x, y);
            e = Vector512.FusedMultiplyAdd(e, x, y);
            f = Vector512.FusedMultiplyAdd(f, x, y);
            g = Vector512.FusedMultiplyAdd(g, x, y);
            h = Vector512.FusedMultiplyAdd(h, x, y);
            i = Vector512.FusedMultiplyAdd(i, x, y);
            j = Vector512.FusedMultiplyAdd(j, x, y);
            k = Vector512.FusedMultiplyAdd(k, x, y);
            l = Vector512.FusedMultiplyAdd(l, x, y);
        }

        return Vector512.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }

    private static float Chains256()
    {
        Vector256<float> x = Vector256.Create(0.999f), y = Vector256.Create(0.001f);
        Vector256<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
        for (var n = 0; n < FmaIterations; n++)
        {
            a = Vector256.FusedMultiplyAdd(a, x, y);
            b = Vector256.FusedMultiplyAdd(b, x, y);
            c = Vector256.FusedMultiplyAdd(c, x, y);
            d = Vector256.FusedMultiplyAdd(d, x, y);
            e = Vector256.FusedMultiplyAdd(e, x, y);
            f = Vector256.FusedMultiplyAdd(f, x, y);
            g = Vector256.FusedMultiplyAdd(g, x, y);
            h = Vector256.FusedMultiplyAdd(h, x, y);
            i = Vector256.FusedMultiplyAdd(i, x, y);
            j = Vector256.FusedMultiplyAdd(j, x, y);
            k = Vector256.FusedMultiplyAdd(k, x, y);
            l = Vector256.FusedMultiplyAdd(l, x, y);
        }

        return Vector256.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }
}
