using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Products with quantized weights. In every variant an output is the sum, block by block, of scale × (chain of multiply-adds of x and
/// codes − zero point × sum of x): the scale is applied once a block, and a row gets the same bits whichever rows it is computed with.
/// </summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    /// <summary>Rows that one decoded block is used for.</summary>
    private const int MaxChunkRows = 96;

    private NativeBuffer<float>? _quantizedRows;
    private NativeBuffer<float>? _rowSums;

    private void MultiplyQuantized(Matrix x, QuantizedMatrix weights, Matrix y, bool accumulate)
    {
        switch (weights.Layout.Code)
        {
            case WeightCode.Int8: MultiplyQuantized<Int8Codes<TSimd, TVec>>(x, weights, y, accumulate); break;
            case WeightCode.Int4: MultiplyQuantized<Int4Codes<TSimd, TVec>>(x, weights, y, accumulate); break;
            case WeightCode.Float8E4M3: MultiplyQuantized<Float8E4M3Codes<TSimd, TVec>>(x, weights, y, accumulate); break;
            case WeightCode.Float8E5M2: MultiplyQuantized<Float8E5M2Codes<TSimd, TVec>>(x, weights, y, accumulate); break;
            default: MultiplyQuantized<Float4Codes<TSimd, TVec>>(x, weights, y, accumulate); break;
        }
    }

    private void MultiplyQuantized<TCode>(Matrix x, QuantizedMatrix weights, Matrix y, bool accumulate) where TCode : struct, ICodeFormat<TVec>
    {
        var share = (x.Rows + 8L) * weights.Outputs * weights.Inputs > 32 * WorthSharing;
        var rows = AtLeast(ref _quantizedRows, (long)(x.Rows + MostTileRows) * weights.PaddedInputs).Pointer;
        var sums = AtLeast(ref _rowSums, (long)(x.Rows + MostTileRows) * weights.Blocks).Pointer;
        var arrange = new ArrangeRows { X = x, Weights = weights, Rows = rows, Sums = sums };
        Pool.Run(ref arrange, (long)x.Rows * x.Columns > WorthSharing);
        if (x.Rows == 1)
        {
            var single = new SingleQuantizedRow<TCode> { X = rows, Sums = sums, Weights = weights, Y = y.Data, Accumulate = accumulate };
            Pool.Run(ref single, share);
            return;
        }

        var work = new ManyQuantizedRows<TCode> { X = rows, Sums = sums, Weights = weights, Y = y, Accumulate = accumulate };
        Pool.Run(ref work, share);
    }

    /// <summary>
    /// The rows of the next tile: one of the sizes that have a kernel, the last one padded with rows that are not stored. Two even tiles
    /// are better than a full one and a small one.
    /// </summary>
    private static int TileRows(int remaining)
    {
        var (most, second) = TSimd.MaxRows == 12 ? (12, 8) : (6, 4);
        return remaining > 2 * second ? most
            : remaining > most ? second
            : remaining switch { > 8 => 12, > 6 => 8, > 4 => 6, > 2 => 4, _ => remaining };
    }

    /// <summary>
    /// Has a row of words fetched that is needed soon, that of the next panel while this one is computed: a single stream would wait for
    /// memory more than it need. What lies past the end of the weights does no harm.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* words)
    {
        if (!Sse.IsSupported) return;
        Sse.Prefetch1(words);
        if (2 * TSimd.Width * sizeof(uint) > CacheLine) Sse.Prefetch1(words + CacheLine);
    }

    /// <summary>
    /// Lays rows out as the kernels read them: tile by tile, for input 0, 1, 2 … in the weights' order the values of the tile's rows side
    /// by side, zeros past the end; and the sum of each row over each block.
    /// </summary>
    private struct ArrangeRows : IParallelWork
    {
        public Matrix X;
        public QuantizedMatrix Weights;
        public float* Rows;
        public float* Sums;

        public readonly void Run(int part, int parts)
        {
            var tile = 0;
            for (int row = 0, size; row < X.Rows; row += size, tile++)
            {
                size = TileRows(X.Rows - row);
                if (tile % parts != part) continue;
                for (var r = 0; r < size; r++)
                {
                    var target = Rows + ((long)row * Weights.PaddedInputs) + r;
                    if (row + r < X.Rows) Arrange(X.Row(row + r), target, size);
                    else Clear(target, 0, size);
                    if (Weights.Layout.HasZeroPoints) Sum(target, Sums + ((long)row * Weights.Blocks) + r, size);
                }
            }
        }

        private readonly void Arrange(float* source, float* target, int stride)
        {
            var inputs = Weights.Inputs;
            if (Weights.Layout.InputOrder is { } order)
            {
                for (var i = 0; i < order.Length; i++) target[(long)i * stride] = source[order[i]];
            }
            else if (stride == 1)
            {
                new ReadOnlySpan<float>(source, inputs).CopyTo(new Span<float>(target, inputs));
            }
            else
            {
                for (var i = 0; i < inputs; i++) target[(long)i * stride] = source[i];
            }

            Clear(target, inputs, stride);
        }

        private readonly void Clear(float* target, int first, int stride)
        {
            for (var i = first; i < Weights.PaddedInputs; i++) target[(long)i * stride] = 0;
        }

        private readonly void Sum(float* row, float* sums, int stride)
        {
            for (var block = 0; block < Weights.Blocks; block++)
            {
                var sum = 0f;
                for (var i = 0; i < Weights.BlockSize; i++, row += stride) sum += *row;
                sums[(long)block * stride] = sum;
            }
        }
    }

    private struct SingleQuantizedRow<TCode> : IParallelWork where TCode : struct, ICodeFormat<TVec>
    {
        public float* X;
        public float* Sums;
        public QuantizedMatrix Weights;
        public float* Y;
        public bool Accumulate;

        public readonly void Run(int part, int parts)
        {
            // Parts are whole groups of four panels.
            var (panel, end) = Share((Weights.Panels + 3) / 4, part, parts);
            (panel, end) = (4 * panel, Math.Min(4 * end, Weights.Panels));
            var width = Weights.PanelWidth;
            var tile = stackalloc float[TileSet.TileFloats];
            for (; panel < end; panel += 4)
            {
                var panels = Math.Min(4, end - panel);
                new Span<float>(tile, panels * width).Clear();
                if (panels == 4) Multiply4(Weights.Panel(panel), tile);
                else for (var i = 0; i < panels; i++) Multiply1(Weights.Panel(panel + i), tile + (i * width));
                var column = panel * width;
                StoreRow(tile, Y + column, Math.Min(panels * width, Weights.Outputs - column), Accumulate);
            }
        }

        private readonly void Multiply4(byte* panel, float* tile)
        {
            for (var block = 0; block < Weights.Blocks; block++, panel += Weights.BlockBytes)
                Codes1Panels4<TCode>(panel, Weights.PanelBytes, Weights, X + (block * Weights.BlockSize), Sums[block], tile);
        }

        private readonly void Multiply1(byte* panel, float* tile)
        {
            for (var block = 0; block < Weights.Blocks; block++, panel += Weights.BlockBytes)
                Codes1<TCode>(panel, Weights, X + (block * Weights.BlockSize), Sums[block], tile);
        }
    }

    private struct ManyQuantizedRows<TCode> : IParallelWork where TCode : struct, ICodeFormat<TVec>
    {
        public float* X;
        public float* Sums;
        public QuantizedMatrix Weights;
        public Matrix Y;
        public bool Accumulate;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(Weights.Panels, part, parts);
            if (Y.Rows <= 2 * TSimd.MaxRows)
            {
                for (var panel = from; panel < to; panel++) MultiplyFew(panel);
                return;
            }

            var chunk = Math.Clamp(RowsInCache / sizeof(float) / Weights.PaddedInputs, 1, MaxChunkRows / TSimd.MaxRows) * TSimd.MaxRows;

            // A decoded block, its scales and zero points, and the sums so far.
            var decoded = stackalloc float[(128 + 2) * 32];
            var totals = stackalloc float[MaxChunkRows * 32];
            for (int row = 0, end; row < Y.Rows; row = end)
            {
                // Whole tiles, as many as there is room for.
                end = row;
                for (int rows; end < Y.Rows && end + (rows = TileRows(Y.Rows - end)) <= row + chunk;) end += rows;
                for (var panel = from; panel < to; panel++) MultiplyPanel(panel, row, end, decoded, totals);
            }
        }

        /// <summary>One or two tiles, which read the codes themselves: for so few rows nothing is gained by putting down what was decoded.</summary>
        private readonly void MultiplyFew(int panel)
        {
            var width = Weights.PanelWidth;
            var tile = stackalloc float[MostTileRows * 32];
            for (int row = 0, rows; row < Y.Rows; row += rows)
            {
                rows = TileRows(Y.Rows - row);
                new Span<float>(tile, rows * width).Clear();
                var x = X + ((long)row * Weights.PaddedInputs);
                var sums = Sums + ((long)row * Weights.Blocks);
                var source = Weights.Panel(panel);
                for (var block = 0; block < Weights.Blocks; block++, source += Weights.BlockBytes, x += Weights.BlockSize * rows, sums += rows)
                {
                    switch (rows)
                    {
                        case 12: Codes12<TCode>(source, Weights, x, sums, tile); break;
                        case 8: Codes8<TCode>(source, Weights, x, sums, tile); break;
                        case 6: Codes6<TCode>(source, Weights, x, sums, tile); break;
                        case 4: Codes4<TCode>(source, Weights, x, sums, tile); break;
                        case 2: Codes2<TCode>(source, Weights, x, sums, tile); break;
                        default: Codes1<TCode>(source, Weights, x, *sums, tile); break;
                    }
                }

                StoreRows(panel, row, Math.Min(row + rows, Y.Rows), tile);
            }
        }

        private readonly void MultiplyPanel(int panel, int first, int end, float* decoded, float* totals)
        {
            var (width, size) = (Weights.PanelWidth, Weights.BlockSize);
            new Span<float>(totals, (end - first) * width).Clear();
            var source = Weights.Panel(panel);
            for (var block = 0; block < Weights.Blocks; block++, source += Weights.BlockBytes)
            {
                Decode<TCode>(source, Weights, decoded);
                for (int row = first, rows; row < end; row += rows)
                {
                    rows = TileRows(Y.Rows - row);
                    var x = X + ((long)row * Weights.PaddedInputs) + ((long)block * size * rows);
                    var sums = Weights.Layout.HasZeroPoints ? Sums + ((long)row * Weights.Blocks) + ((long)block * rows) : null;
                    var tile = totals + ((row - first) * width);
                    switch (rows)
                    {
                        case 12: Block12(decoded, size, x, sums, tile); break;
                        case 8: Block8(decoded, size, x, sums, tile); break;
                        case 6: Block6(decoded, size, x, sums, tile); break;
                        case 4: Block4(decoded, size, x, sums, tile); break;
                        case 2: Block2(decoded, size, x, sums, tile); break;
                        default: Block1(decoded, size, x, sums, tile); break;
                    }
                }
            }

            StoreRows(panel, first, Math.Min(end, Y.Rows), totals);
        }

        private readonly void StoreRows(int panel, int first, int end, float* tile)
        {
            var column = panel * Weights.PanelWidth;
            var columns = Math.Min(Weights.PanelWidth, Weights.Outputs - column);
            for (var row = first; row < end; row++, tile += Weights.PanelWidth) StoreRow(tile, Y.Row(row) + column, columns, Accumulate);
        }
    }
}
