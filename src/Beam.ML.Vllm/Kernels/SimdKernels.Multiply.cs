namespace Beam.ML.Vllm.Kernels;

internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    /// <summary>Activations that one thread keeps in its second-level cache while it goes through the panels.</summary>
    private const int ChunkFloats = 1 << 18;

    private NativeBuffer<float>? _packedRows;

    public override void Multiply(Matrix x, WeightMatrix weights, Matrix y, bool accumulate = false)
    {
        if (x.Columns != weights.Inputs || y.Columns != weights.Outputs || x.Rows != y.Rows)
            throw new ArgumentException($"[{x.Rows}, {x.Columns}] × [{weights.Outputs}, {weights.Inputs}]ᵀ does not fit [{y.Rows}, {y.Columns}].");
        switch (weights)
        {
            case PackedMatrix { Format: WeightFormat.BFloat16 } packed: Multiply<BFloat16Panel<TSimd, TVec>>(x, packed, y, accumulate); break;
            case PackedMatrix packed: Multiply<Float32Panel<TSimd, TVec>>(x, packed, y, accumulate); break;
            case QuantizedMatrix quantized: MultiplyQuantized(x, quantized, y, accumulate); break;
            case StackedMatrix stacked: MultiplyStacked(x, stacked, y, accumulate); break;
            default: throw new ArgumentException($"These kernels have no product for a {weights.GetType().Name}.");
        }
    }

    private void MultiplyStacked(Matrix x, StackedMatrix stacked, Matrix y, bool accumulate)
    {
        var first = 0;
        foreach (var part in stacked.Parts)
        {
            Multiply(x, part, y.SliceColumns(first, part.Outputs), accumulate);
            first += part.Outputs;
        }
    }

    private void Multiply<TFormat>(Matrix x, PackedMatrix weights, Matrix y, bool accumulate) where TFormat : struct, IPanelFormat<TVec>
    {
        // Reading a weight costs about as much as multiplying it with eight rows.
        var share = (x.Rows + 8L) * weights.Outputs * weights.Inputs > 32 * WorthSharing;
        if (x.Rows == 1)
        {
            var single = new SingleRow<TFormat> { X = x.Data, Weights = weights, Y = y.Data, Accumulate = accumulate };
            Pool.Run(ref single, share);
            return;
        }

        var packed = AtLeast(ref _packedRows, (long)(x.Rows + TSimd.MaxRows) * x.Columns).Pointer;
        var pack = new PackRows { X = x, Packed = packed };
        Pool.Run(ref pack, (long)x.Rows * x.Columns > WorthSharing);
        var work = new ManyRows<TFormat> { Packed = packed, Weights = weights, Y = y, Accumulate = accumulate };
        Pool.Run(ref work, share);
    }

    /// <summary>The rows of the next block: one of the sizes that have a kernel, the last one padded with rows that are not stored.</summary>
    private static int BlockRows(int remaining)
    {
        if (remaining >= TSimd.MaxRows) return TSimd.MaxRows;
        return remaining switch { > 8 => 12, > 6 => 8, > 4 => 6, > 2 => 4, 2 => 2, _ => 1 };
    }

    private struct SingleRow<TFormat> : IParallelWork where TFormat : struct, IPanelFormat<TVec>
    {
        public float* X;
        public PackedMatrix Weights;
        public float* Y;
        public bool Accumulate;

        public readonly void Run(int part, int parts)
        {
            // Parts are whole groups of four panels.
            var (panel, end) = Share((Weights.Panels + 3) / 4, part, parts);
            (panel, end) = (4 * panel, Math.Min(4 * end, Weights.Panels));
            var width = Weights.PanelWidth;
            var tile = stackalloc float[TileFloats];
            for (; panel < end; panel += 4)
            {
                var panels = Math.Min(4, end - panel);
                if (panels == 4)
                {
                    Row1Panels4<TFormat>(Weights.Panel(panel), Weights.PanelBytes, Weights.Inputs, X, tile);
                }
                else
                {
                    for (var i = 0; i < panels; i++) Rows1<TFormat>(Weights.Panel(panel + i), Weights.Inputs, X, tile + (i * width));
                }

                var column = panel * width;
                StoreRow(tile, Y + column, Math.Min(panels * width, Weights.Outputs - column), Accumulate);
            }
        }
    }

    /// <summary>Lays blocks of rows out as the kernels read them: for input 0, 1, 2 … the values of the block's rows side by side.</summary>
    private struct PackRows : IParallelWork
    {
        public Matrix X;
        public float* Packed;

        public readonly void Run(int part, int parts)
        {
            var block = 0;
            for (int row = 0, size; row < X.Rows; row += size, block++)
            {
                size = BlockRows(X.Rows - row);
                if (block % parts != part) continue;
                var target = Packed + ((long)row * X.Columns);
                for (var r = 0; r < size; r++)
                {
                    var real = row + r < X.Rows;
                    var source = real ? X.Row(row + r) : null;
                    for (var k = 0; k < X.Columns; k++) target[((long)k * size) + r] = real ? source[k] : 0;
                }
            }
        }
    }

    private struct ManyRows<TFormat> : IParallelWork where TFormat : struct, IPanelFormat<TVec>
    {
        public float* Packed;
        public PackedMatrix Weights;
        public Matrix Y;
        public bool Accumulate;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(Weights.Panels, part, parts);
            var chunk = Math.Max(1, ChunkFloats / Weights.Inputs / TSimd.MaxRows) * TSimd.MaxRows;
            for (var row = 0; row < Y.Rows; row += chunk)
            {
                var end = Math.Min(row + chunk, Y.Rows);
                for (var panel = from; panel < to; panel++) MultiplyPanel(panel, row, end);
            }
        }

        private readonly void MultiplyPanel(int panel, int row, int end)
        {
            var depth = Weights.Inputs;
            var column = panel * Weights.PanelWidth;
            var columns = Math.Min(Weights.PanelWidth, Weights.Outputs - column);
            var weights = Weights.Panel(panel);
            var tile = stackalloc float[TileFloats];
            while (row < end)
            {
                var size = BlockRows(Y.Rows - row);
                var a = Packed + ((long)row * depth);
                switch (size)
                {
                    case 12: Rows12<TFormat>(weights, depth, a, tile); break;
                    case 8: Rows8<TFormat>(weights, depth, a, tile); break;
                    case 6: Rows6<TFormat>(weights, depth, a, tile); break;
                    case 4: Rows4<TFormat>(weights, depth, a, tile); break;
                    case 2: Rows2<TFormat>(weights, depth, a, tile); break;
                    default: Rows1<TFormat>(weights, depth, a, tile); break;
                }

                for (var r = 0; r < Math.Min(size, Y.Rows - row); r++)
                    StoreRow(tile + (r * Weights.PanelWidth), Y.Row(row + r) + column, columns, Accumulate);
                row += size;
            }
        }
    }
}
