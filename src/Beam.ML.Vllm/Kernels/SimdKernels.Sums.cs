using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Sums of rows: biases, positions, residuals, outputs of experts.</summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    public override void AddBias(Matrix y, NativeBuffer<float> bias)
    {
        if (bias.Length != y.Columns) throw new ArgumentException($"A bias of {bias.Length} does not fit {y.Columns} columns.");
        var work = new AddRowsWork { Table = bias.Pointer, Y = y };
        Pool.Run(ref work, (long)y.Rows * y.Columns > WorthSharing);
    }

    public override void AddPositions(Matrix y, NativeBuffer<float> table, PagedBatch batch)
    {
        var work = new AddRowsWork { Table = table.Pointer, Indices = batch.Positions, Y = y };
        Pool.Run(ref work, (long)y.Rows * y.Columns > WorthSharing);
    }

    public override void Add(Matrix x, Matrix y)
    {
        var work = new AddScaledWork { X = x, Y = y };
        Pool.Run(ref work, (long)y.Rows * y.Columns > WorthSharing);
    }

    public override void AddScaledRows(Matrix x, int[] rows, float[] scales, int first, Matrix y)
    {
        var work = new AddScaledWork { X = x, Rows = rows, Scales = scales, First = first, Y = y };
        Pool.Run(ref work, (long)x.Rows * x.Columns > WorthSharing);
    }

    public override void Scale(Matrix x, float factor)
    {
        var work = new ScaleWork { X = x, Factor = factor };
        Pool.Run(ref work, (long)x.Rows * x.Columns > WorthSharing);
    }

    /// <summary>y += scale × x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddScaled(float* x, float scale, int columns, float* y)
    {
        var factor = TSimd.Broadcast(scale);
        for (var i = 0; i < columns; i += TSimd.Width)
        {
            TVec a = Partial<TSimd, TVec>.Load(x + i, columns - i), b = Partial<TSimd, TVec>.Load(y + i, columns - i);
            Partial<TSimd, TVec>.Store(y + i, TSimd.Fma(factor, a, b), columns - i);
        }
    }

    private struct AddRowsWork : IParallelWork
    {
        public float* Table;
        public int[]? Indices;
        public Matrix Y;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(Y.Rows, part, parts);
            for (var row = from; row < to; row++) AddScaled(Table + ((long)(Indices?[row] ?? 0) * Y.Columns), 1, Y.Columns, Y.Row(row));
        }
    }

    private struct AddScaledWork : IParallelWork
    {
        public Matrix X;
        public int[]? Rows;
        public float[]? Scales;
        public int First;
        public Matrix Y;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(X.Rows, part, parts);
            for (var i = from; i < to; i++)
                AddScaled(X.Row(i), Scales is null ? 1 : Scales[First + i], X.Columns, Y.Row(Rows is null ? i : Rows[First + i]));
        }
    }

    private struct ScaleWork : IParallelWork
    {
        public Matrix X;
        public float Factor;

        public readonly void Run(int part, int parts)
        {
            var factor = TSimd.Broadcast(Factor);
            var (from, to) = Share(X.Rows, part, parts);
            for (var row = from; row < to; row++)
            {
                var x = X.Row(row);
                for (var i = 0; i < X.Columns; i += TSimd.Width)
                    Partial<TSimd, TVec>.Store(x + i, TSimd.Mul(factor, Partial<TSimd, TVec>.Load(x + i, X.Columns - i)), X.Columns - i);
            }
        }
    }
}
