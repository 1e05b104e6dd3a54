using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Operations that go over rows one by one.</summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    public override void RmsNorm(Matrix x, NativeBuffer<float> weight, float epsilon, Matrix y)
    {
        var work = new RmsNormWork { X = x, Weight = weight.Pointer, Epsilon = epsilon, Y = y };
        Pool.Run(ref work, (long)x.Rows * x.Columns > WorthSharing);
    }

    public override void GeluTanhAndMultiply(Matrix gateUp, Matrix y)
    {
        var work = new GeluWork { GateUp = gateUp, Y = y };
        Pool.Run(ref work, (long)y.Rows * y.Columns > WorthSharing / 8);
    }

    public override void Rotate(Matrix x, int headSize, RotaryTable table, PagedBatch batch)
    {
        var work = new RotateWork { X = x, HeadSize = headSize, Table = table, Positions = batch.Positions };
        Pool.Run(ref work, (long)x.Rows * x.Columns > WorthSharing);
    }

    public override void Gather(PackedMatrix table, int[] ids, float scale, Matrix y)
    {
        var work = new GatherWork { Table = table, Ids = ids, Scale = scale, Y = y };
        Pool.Run(ref work, (long)y.Rows * y.Columns > WorthSharing / 8);
    }

    private struct RmsNormWork : IParallelWork
    {
        public Matrix X;
        public float* Weight;
        public float Epsilon;
        public Matrix Y;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(X.Rows, part, parts);
            for (var row = from; row < to; row++) Normalize(X.Row(row), Weight, X.Columns, Epsilon, Y.Row(row));
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

    private struct GeluWork : IParallelWork
    {
        public Matrix GateUp;
        public Matrix Y;

        public readonly void Run(int part, int parts)
        {
            // A single row is cut into columns: elements do not depend on each other.
            if (Y.Rows == 1)
            {
                var (first, last) = Share((Y.Columns + TSimd.Width - 1) / TSimd.Width, part, parts);
                Compute(GateUp.Data, Y.Columns, first * TSimd.Width, Math.Min(last * TSimd.Width, Y.Columns), Y.Data);
                return;
            }

            var (from, to) = Share(Y.Rows, part, parts);
            for (var row = from; row < to; row++) Compute(GateUp.Row(row), Y.Columns, 0, Y.Columns, Y.Row(row));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Compute(float* gate, int columns, int from, int to, float* y)
        {
            // ½ g (1 + tanh z) = g / (1 + e^(-2z)), z = √(2/π) (g + 0.044715 g³)
            TVec linear = TSimd.Broadcast(-1.5957691216057308f), cubic = TSimd.Broadcast(-0.07135481627f), one = TSimd.Broadcast(1);
            var up = gate + columns;
            for (var i = from; i < to; i += TSimd.Width)
            {
                var g = Partial<TSimd, TVec>.Load(gate + i, to - i);
                var minus2z = TSimd.Mul(g, TSimd.Fma(TSimd.Mul(g, g), cubic, linear));
                var gelu = TSimd.Div(g, TSimd.Add(one, TSimd.Exp(minus2z)));
                Partial<TSimd, TVec>.Store(y + i, TSimd.Mul(gelu, Partial<TSimd, TVec>.Load(up + i, to - i)), to - i);
            }
        }
    }

    private struct RotateWork : IParallelWork
    {
        public Matrix X;
        public int HeadSize;
        public RotaryTable Table;
        public int[] Positions;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(X.Rows, part, parts);
            for (var row = from; row < to; row++)
            {
                float* cos = Table.Cos(Positions[row]), sin = Table.Sin(Positions[row]);
                for (var head = 0; head < X.Columns; head += HeadSize) RotateHead(X.Row(row) + head, cos, sin, Table.Half);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void RotateHead(float* first, float* cos, float* sin, int half)
        {
            var second = first + half;
            for (var i = 0; i < half; i += TSimd.Width)
            {
                var left = half - i;
                TVec a = Partial<TSimd, TVec>.Load(first + i, left), b = Partial<TSimd, TVec>.Load(second + i, left);
                TVec c = Partial<TSimd, TVec>.Load(cos + i, left), s = Partial<TSimd, TVec>.Load(sin + i, left);
                Partial<TSimd, TVec>.Store(first + i, TSimd.Sub(TSimd.Mul(a, c), TSimd.Mul(b, s)), left);
                Partial<TSimd, TVec>.Store(second + i, TSimd.Add(TSimd.Mul(b, c), TSimd.Mul(a, s)), left);
            }
        }
    }

    private struct GatherWork : IParallelWork
    {
        public PackedMatrix Table;
        public int[] Ids;
        public float Scale;
        public Matrix Y;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(Y.Rows, part, parts);
            for (var row = from; row < to; row++) Table.GetOutput(Ids[row], Scale, Y.RowSpan(row));
        }
    }
}
