namespace Beam.ML.Vllm.Kernels;

/// <summary>Products with matrices: rows are laid out as the tiles read them, then each thread computes some panels of all rows.</summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    /// <summary>Bytes of activations that one thread keeps in its second-level cache while it goes through the panels.</summary>
    private const int RowsInCache = 1 << 20;

    /// <summary>How far ahead, in bytes, weights are asked for in each of several panels, or in one. Measured; twice or half as far is as good.</summary>
    private const int AheadOfSeveral = 2048, AheadOfOne = 4096;

    private const int CacheLine = 64;

    private NativeBuffer<float>? _packedRows;

    public override void Multiply(Matrix x, WeightMatrix weights, Matrix y, bool accumulate = false)
    {
        if (x.Columns != weights.Inputs || y.Columns != weights.Outputs || x.Rows != y.Rows)
            throw new ArgumentException($"[{x.Rows}, {x.Columns}] × [{weights.Outputs}, {weights.Inputs}]ᵀ does not fit [{y.Rows}, {y.Columns}].");
        if (x.Rows == 0) return;
        switch (weights)
        {
            case PackedMatrix packed: Multiply(x, Panels.Of(packed, Format(packed)), y, accumulate); break;
            case QuantizedMatrix quantized when int8Dot && DotFormat(quantized) is { } format: Multiply(x, Panels.Of(quantized, format), y, accumulate); break;
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

    private void Multiply(Matrix x, Panels weights, Matrix y, bool accumulate)
    {
        var format = weights.Shape.Format;
        var blocks = new RowBlocks(x.Rows, tiles, format);
        var rows = Pack(x, weights, blocks);

        // Reading a weight costs about as much as multiplying it with eight rows.
        var parts = Pool.Parts((x.Rows + 8L) * weights.Outputs * x.Columns > 32 * WorthSharing);
        var rowBytes = weights.RowBytes;
        var pieceChunks = PieceChunks(weights, blocks);
        var blocksInCache = (int)Math.Clamp(RowsInCache / (rowBytes / weights.Passes * pieceChunks * blocks.TileRows(0)), 1, blocks.Count);
        var panels = tiles.PanelsFor(format, blocks.MostRows);

        // One block asks for weights a little ahead of itself. Of several the first would do so for all, and wait; instead each asks for a
        // part of the panel that comes next.
        var ahead = blocks.Count > 1 ? 0 : panels > 1 ? AheadOfSeveral : AheadOfOne;
        var passLines = (int)(weights.Bytes / weights.Passes / CacheLine);
        var lines = blocks.Count > 1 ? (passLines + blocksInCache - 1) / blocksInCache : 0;
        var shape = weights.Shape with { Rows = blocks.TileRows(0), PrefetchAhead = ahead, PrefetchLines = lines };
        var work = new Product
        {
            Rows = rows,
            RowBytes = rowBytes,
            Weights = weights,
            Y = y,
            Accumulate = accumulate,
            Blocks = blocks,
            BlocksInCache = blocksInCache,
            WidePanels = panels,
            Wide = tiles.Kernel(shape with { Panels = panels }),
            Larger = tiles.Kernel(shape),
            Smaller = tiles.Kernel(shape with { Rows = blocks.TileRows(blocks.Count - 1) }),
            PrefetchBytes = (long)lines * CacheLine * weights.Passes,
        };
        if (pieceChunks == weights.Passes)
        {
            Pool.Run(ref work, parts);
            return;
        }

        var rest = shape with { Continues = true };
        var piecewise = new PiecewiseProduct
        {
            Whole = work,
            Sums = accumulate ? new Matrix(AtLeast(ref _partialSums, (long)y.Rows * y.Columns).Pointer, y.Rows, y.Columns, y.Columns) : y,
            PieceChunks = pieceChunks,
            LargerRest = tiles.Kernel(rest),
            SmallerRest = tiles.Kernel(rest with { Rows = blocks.TileRows(blocks.Count - 1) }),
        };
        Pool.Run(ref piecewise, parts);
    }

    private TileFormat Format(PackedMatrix weights) =>
        weights.Format == WeightFormat.Float32 ? TileFormat.Float32 : bfloat16Dot ? TileFormat.BFloat16Dot : TileFormat.BFloat16;

    /// <summary>The format for the matrices that tiles of 8-bit activations can read; null for others.</summary>
    private static TileFormat? DotFormat(QuantizedMatrix weights) => weights.BlockSize % Int8Rows.GroupInputs != 0 ? null : weights.Layout.Code switch
    {
        WeightCode.Int8 => TileFormat.Int8Dot,
        WeightCode.Int4 => TileFormat.Int4Dot,
        _ => null,
    };

    /// <summary>The activations as the tiles read them; those of one row may be so already.</summary>
    private byte* Pack(Matrix x, Panels weights, RowBlocks blocks)
    {
        if (x.Rows == 1 && weights.Shape.Format is TileFormat.Float32 or TileFormat.BFloat16 && x.Columns % TileSet.ChunkInputs == 0) return (byte*)x.Data;
        var packed = AtLeast(ref _packedRows, blocks.TotalTileRows * weights.RowBytes / sizeof(float)).Pointer;
        var pack = new PackRows { X = x, Packed = (byte*)packed, Weights = weights, Blocks = blocks };
        Pool.Run(ref pack, (long)x.Rows * x.Columns > WorthSharing);
        return (byte*)packed;
    }

    /// <summary>Asks for the place of results while the tile is computed that goes there: of many rows, no cache holds it.</summary>
    private static void PrefetchRows(Matrix y, int first, int rows, int column, int columns)
    {
        for (var row = first; row < first + rows; row++)
            for (var i = 0; i < columns; i += CacheLine / sizeof(float)) TSimd.Prefetch((nint)(y.Row(row) + column + i));
    }

    /// <summary>Copies or adds one row of results to where they belong.</summary>
    private static void StoreRow(float* tile, float* target, int columns, bool accumulate)
    {
        for (var i = 0; i < columns; i += TSimd.Width)
        {
            var value = TSimd.Load(tile + i);
            if (accumulate) value = TSimd.Add(Partial<TSimd, TVec>.Load(target + i, columns - i), value);
            Partial<TSimd, TVec>.Store(target + i, value, columns - i);
        }
    }
}
