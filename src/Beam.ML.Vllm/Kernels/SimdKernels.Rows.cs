using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Operations that go over rows one by one.</summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    public override void Rotate(Matrix x, int headSize, RotaryTable table, PagedBatch batch)
    {
        table.Prepare(batch.MaxContext);
        var work = new RotateWork { X = x, HeadSize = headSize, Table = table, Positions = batch.Positions };
        Pool.Run(ref work, (long)x.Rows * x.Columns > WorthSharing);
    }

    public override void Gather(WeightMatrix table, int[] ids, float scale, Matrix y)
    {
        var work = new GatherWork { Table = table, Ids = ids, Scale = scale, Y = y };
        Pool.Run(ref work, (long)y.Rows * y.Columns > WorthSharing / 8);
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
        public WeightMatrix Table;
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
