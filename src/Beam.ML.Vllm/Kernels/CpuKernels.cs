using System.Numerics;
using System.Runtime.Intrinsics;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels.Assembly;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// What the layers compute with, on one instruction set and one pool of threads. Every operation treats each row by itself and in a fixed
/// order: a row's result depends neither on the other rows, nor on how many there are, nor on the number of threads.
/// </summary>
internal abstract class CpuKernels(WorkerPool pool) : IDisposable
{
    /// <summary>Below this many simple operations on floats, some ten microseconds, other threads cost more than they save.</summary>
    protected const long WorthSharing = 1 << 17;

    /// <summary>The kernels of an instruction set, on a path that this machine must have.</summary>
    /// <exception cref="NotSupportedException">It has no dot products of the kind asked for.</exception>
    public static CpuKernels Create(InstructionSet set, WorkerPool pool, MatrixKernels path = MatrixKernels.Fma)
    {
        if (set != InstructionSet.Avx512)
        {
            Require(path is not (MatrixKernels.BFloat16Dot or MatrixKernels.Int8Dot), $"{set} has none");
            return set == InstructionSet.Avx2
                ? new SimdKernels<Avx2Simd, Vector256<float>>(pool, new SimdTiles<Avx2Simd, Vector256<float>>())
                : new SimdKernels<PortableSimd, Vector<float>>(pool, new SimdTiles<PortableSimd, Vector<float>>());
        }

        Require(path != MatrixKernels.BFloat16Dot || AssembledTiles.HasBFloat16Dot, "this processor has no AVX512_BF16");
        Require(path != MatrixKernels.Int8Dot || AssembledTiles.HasInt8Dot, "this processor has no AVX512_VNNI");
        if (path != MatrixKernels.Intrinsics && AssembledTiles.TryCreate() is { } assembled)
        {
            var bfloat16Dot = path == MatrixKernels.BFloat16Dot || (path == MatrixKernels.Auto && AssembledTiles.PrefersBFloat16Dot);
            var int8Dot = path == MatrixKernels.Int8Dot || (path == MatrixKernels.Auto && AssembledTiles.HasInt8Dot);
            return new SimdKernels<Avx512Simd, Vector512<float>>(pool, assembled, bfloat16Dot, int8Dot);
        }

        Require(path is not (MatrixKernels.BFloat16Dot or MatrixKernels.Int8Dot), "the system lets this process make no memory executable");
        return new SimdKernels<Avx512Simd, Vector512<float>>(pool, new SimdTiles<Avx512Simd, Vector512<float>>());

        void Require(bool holds, string why)
        {
            if (!holds) throw new NotSupportedException($"Matrix kernels {path} cannot be had: {why}. Leave them to the engine (Auto), or ask for Fma.");
        }
    }

    public WorkerPool Pool => pool;

    /// <summary>What products are computed with: where several are in use, what weights in bfloat16 or else in int8 are multiplied by.</summary>
    public abstract MatrixKernels MatrixKernels { get; }

    /// <summary>Columns in a panel of a <see cref="PackedMatrix"/> for these kernels.</summary>
    public abstract int PanelWidth { get; }

    /// <summary>y = x × weightsᵀ, or y += … with <paramref name="accumulate"/>. x is [rows, inputs], y is [rows, outputs].</summary>
    public abstract void Multiply(Matrix x, WeightMatrix weights, Matrix y, bool accumulate = false);

    /// <summary>
    /// y = x / √(mean(x²) + epsilon) × weight, for each run of as many columns as the weight has: whole rows, or heads. y may be x.
    /// </summary>
    public abstract void RmsNorm(Matrix x, NativeBuffer<float> weight, float epsilon, Matrix y);

    /// <summary>y = (x − mean) / √(variance + epsilon) × weight + bias, row by row. y may be x.</summary>
    public abstract void LayerNorm(Matrix x, NativeBuffer<float> weight, NativeBuffer<float> bias, float epsilon, Matrix y);

    /// <summary>x = f(x).</summary>
    public abstract void Activate(Activation activation, Matrix x);

    /// <summary>y = f(gate) × up.</summary>
    public abstract void ActivateAndMultiply(Activation activation, Matrix gate, Matrix up, Matrix y);

    /// <summary>x = cap × tanh(x / cap).</summary>
    public abstract void SoftCap(Matrix x, float cap);

    /// <summary>Adds the bias to every row.</summary>
    public abstract void AddBias(Matrix y, NativeBuffer<float> bias);

    /// <summary>Adds to every row the row of the table, [positions, columns], that its position has.</summary>
    public abstract void AddPositions(Matrix y, NativeBuffer<float> table, PagedBatch batch);

    /// <summary>y += x.</summary>
    public abstract void Add(Matrix x, Matrix y);

    /// <summary>y[rows[first + i]] += scales[first + i] × x[i], for all rows of x; no row of y is named twice.</summary>
    public abstract void AddScaledRows(Matrix x, int[] rows, float[] scales, int first, Matrix y);

    /// <summary>x = factor × x.</summary>
    public abstract void Scale(Matrix x, float factor);

    /// <summary>Rotates each head of x, [rows, heads × headSize], in place: the first half of the rotated part against the second.</summary>
    public abstract void Rotate(Matrix x, int headSize, RotaryTable table, PagedBatch batch);

    /// <summary>Writes the rows' keys and values, [rows, key-value heads × head size], to the blocks of their sequences.</summary>
    public abstract void StoreKeysValues(Matrix keys, Matrix values, KvCacheLayer cache, PagedBatch batch);

    /// <summary>Causal attention of each row over its sequence up to itself; queries and output are [rows, heads × head size].</summary>
    public abstract void Attend(Matrix queries, KvCacheLayer cache, PagedBatch batch, AttentionOptions options, Matrix output);

    /// <summary>y[i] = row ids[i] of the table × scale.</summary>
    public abstract void Gather(WeightMatrix table, int[] ids, float scale, Matrix y);

    public abstract void Dispose();
}
