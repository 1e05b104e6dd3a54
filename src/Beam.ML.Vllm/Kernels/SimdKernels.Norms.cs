using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Norms, row by row or head by head.</summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    public override void RmsNorm(Matrix x, NativeBuffer<float> weight, float epsilon, Matrix y)
    {
        if (x.Columns % weight.Length != 0) throw new ArgumentException($"A norm of {weight.Length} does not fit {x.Columns} columns.");
        var work = new RmsNormWork { X = x, Weight = weight.Pointer, Size = (int)weight.Length, Epsilon = epsilon, Y = y };
        Pool.Run(ref work, (long)x.Rows * x.Columns > WorthSharing);
    }

    public override void LayerNorm(Matrix x, NativeBuffer<float> weight, NativeBuffer<float> bias, float epsilon, Matrix y)
    {
        if (x.Columns != weight.Length || x.Columns != bias.Length) throw new ArgumentException($"A norm of {weight.Length} does not fit {x.Columns} columns.");
        var work = new LayerNormWork { X = x, Weight = weight.Pointer, Bias = bias.Pointer, Epsilon = epsilon, Y = y };
        Pool.Run(ref work, (long)x.Rows * x.Columns > WorthSharing);
    }

    private struct RmsNormWork : IParallelWork
    {
        public Matrix X;
        public float* Weight;
        public int Size;
        public float Epsilon;
        public Matrix Y;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(X.Rows, part, parts);
            for (var row = from; row < to; row++)
            {
                for (var head = 0; head < X.Columns; head += Size) Normalize(X.Row(row) + head, Weight, Size, Epsilon, Y.Row(row) + head);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Normalize(float* x, float* weight, int columns, float epsilon, float* y)
        {
            var squares = TSimd.Zero;
            for (var i = 0; i < columns; i += TSimd.Width)
            {
                var v = Partial<TSimd, TVec>.Load(x + i, columns - i);
                squares = TSimd.Fma(v, v, squares);
            }

            var scale = TSimd.Broadcast(1 / MathF.Sqrt((TSimd.Sum(squares) / columns) + epsilon));
            for (var i = 0; i < columns; i += TSimd.Width)
            {
                var v = TSimd.Mul(Partial<TSimd, TVec>.Load(x + i, columns - i), scale);
                Partial<TSimd, TVec>.Store(y + i, TSimd.Mul(v, Partial<TSimd, TVec>.Load(weight + i, columns - i)), columns - i);
            }
        }
    }

    private struct LayerNormWork : IParallelWork
    {
        public Matrix X;
        public float* Weight;
        public float* Bias;
        public float Epsilon;
        public Matrix Y;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(X.Rows, part, parts);
            for (var row = from; row < to; row++) Normalize(X.Row(row), Weight, Bias, X.Columns, Epsilon, Y.Row(row));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Normalize(float* x, float* weight, float* bias, int columns, float epsilon, float* y)
        {
            var sums = TSimd.Zero;
            for (var i = 0; i < columns; i += TSimd.Width) sums = TSimd.Add(sums, Partial<TSimd, TVec>.Load(x + i, columns - i));
            var mean = TSimd.Sum(sums) / columns;

            // The lanes past the end of the last vector read as zero: they count as −mean, which is taken off again.
            TVec shift = TSimd.Broadcast(mean), squares = TSimd.Zero;
            for (var i = 0; i < columns; i += TSimd.Width)
            {
                var v = TSimd.Sub(Partial<TSimd, TVec>.Load(x + i, columns - i), shift);
                squares = TSimd.Fma(v, v, squares);
            }

            var missing = (TSimd.Width - (columns % TSimd.Width)) % TSimd.Width;
            var variance = MathF.Max((TSimd.Sum(squares) - (missing * mean * mean)) / columns, 0);
            var scale = TSimd.Broadcast(1 / MathF.Sqrt(variance + epsilon));
            for (var i = 0; i < columns; i += TSimd.Width)
            {
                var v = TSimd.Mul(TSimd.Sub(Partial<TSimd, TVec>.Load(x + i, columns - i), shift), scale);
                TVec w = Partial<TSimd, TVec>.Load(weight + i, columns - i), b = Partial<TSimd, TVec>.Load(bias + i, columns - i);
                Partial<TSimd, TVec>.Store(y + i, TSimd.Fma(v, w, b), columns - i);
            }
        }
    }
}
