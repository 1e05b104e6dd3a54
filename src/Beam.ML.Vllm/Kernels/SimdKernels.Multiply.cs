using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    /// <summary>Bytes of activations that one thread keeps in its second-level cache while it goes through the panels.</summary>
    private const int RowsInCache = 1 << 20;

    /// <summary>From so many blocks on it pays to widen a panel once for all instead of once for each.</summary>
    private const int WorthWidening = 4;

    private const int CacheLine = 64;

    private NativeBuffer<float>? _packedRows;
    private NativeBuffer<float>? _widened;

    public override void Multiply(Matrix x, WeightMatrix weights, Matrix y, bool accumulate = false)
    {
        if (x.Columns != weights.Inputs || y.Columns != weights.Outputs || x.Rows != y.Rows)
            throw new ArgumentException($"[{x.Rows}, {x.Columns}] × [{weights.Outputs}, {weights.Inputs}]ᵀ does not fit [{y.Rows}, {y.Columns}].");
        if (x.Rows == 0) return;
        switch (weights)
        {
            case PackedMatrix packed: MultiplyPacked(x, packed, y, accumulate); break;
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

    private void MultiplyPacked(Matrix x, PackedMatrix weights, Matrix y, bool accumulate)
    {
        var format = weights.Format == WeightFormat.Float32 ? TileFormat.Float32 : dotProducts ? TileFormat.BFloat16Dot : TileFormat.BFloat16;
        var blocks = new RowBlocks(x.Rows, tiles);
        var rows = Pack(x, weights.Chunks, format, blocks);

        // Reading a weight costs about as much as multiplying it with eight rows.
        var parts = Pool.Parts((x.Rows + 8L) * weights.Outputs * weights.Inputs > 32 * WorthSharing);
        var rowBytes = (long)weights.Chunks * TileSet.ChunkRowBytes(format);
        var blocksInCache = (int)Math.Clamp(RowsInCache / (rowBytes * blocks.TileRows(0)), 1, blocks.Count);
        var widen = format == TileFormat.BFloat16 && blocksInCache >= WorthWidening;
        var widenedFloats = widen ? (long)weights.Chunks * TileSet.ChunkInputs * weights.PanelWidth : 0;
        var panels = tiles.PanelsFor(blocks.MostRows);

        // Few rows have the processor wait for memory anyway; with more, the panel that comes next is fetched while this one is computed.
        var chunkLines = (int)(weights.PanelBytes / weights.Chunks / CacheLine);
        var lines = panels > 1 ? 0 : (chunkLines + blocksInCache - 1) / blocksInCache;
        var shape = new TileShape(widen ? TileFormat.Float32 : format, blocks.TileRows(0), 1, lines);
        var work = new Product
        {
            Rows = rows,
            RowBytes = rowBytes,
            Weights = weights,
            Y = y,
            Accumulate = accumulate,
            Blocks = blocks,
            BlocksInCache = blocksInCache,
            Panels = panels,
            Wide = tiles.Kernel(shape with { Panels = panels }),
            Larger = tiles.Kernel(shape),
            Smaller = tiles.Kernel(shape with { Rows = blocks.TileRows(blocks.Count - 1) }),
            PrefetchBytes = (long)lines * CacheLine * weights.Chunks,
            Widened = widen ? AtLeast(ref _widened, parts * widenedFloats).Pointer : null,
            WidenedFloats = widenedFloats,
        };
        Pool.Run(ref work, parts);
    }

    /// <summary>The activations as the tiles read them; those of one row may be so already.</summary>
    private byte* Pack(Matrix x, int chunks, TileFormat format, RowBlocks blocks)
    {
        if (x.Rows == 1 && format != TileFormat.BFloat16Dot && x.Columns % TileSet.ChunkInputs == 0) return (byte*)x.Data;
        var rowFloats = chunks * TileSet.ChunkRowBytes(format) / sizeof(float);
        var packed = AtLeast(ref _packedRows, (long)blocks.TotalTileRows * rowFloats).Pointer;
        var pack = new PackRows { X = x, Packed = (byte*)packed, Chunks = chunks, ChunkBytes = TileSet.ChunkRowBytes(format), Blocks = blocks };
        Pool.Run(ref pack, (long)x.Rows * x.Columns > WorthSharing);
        return (byte*)packed;
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

    /// <summary>Lays blocks of rows out as the tiles read them: a chunk of inputs of each row, then the next chunk of each row.</summary>
    private struct PackRows : IParallelWork
    {
        public Matrix X;
        public byte* Packed;
        public int Chunks;
        public int ChunkBytes;
        public RowBlocks Blocks;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(Blocks.Count, part, parts);
            for (var block = from; block < to; block++)
            {
                var tileRows = Blocks.TileRows(block);
                var target = Packed + ((long)Blocks.FirstTileRow(block) * Chunks * ChunkBytes);
                for (var row = 0; row < tileRows; row++)
                    PackRow(row < Blocks.Rows(block) ? X.Row(Blocks.FirstRow(block) + row) : null, target + (row * ChunkBytes), tileRows * ChunkBytes);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void PackRow(float* row, byte* target, int stride)
        {
            for (var chunk = 0; chunk < Chunks; chunk++, target += stride)
            {
                var left = row is null ? 0 : X.Columns - (chunk * TileSet.ChunkInputs);
                for (var i = 0; i < TileSet.ChunkInputs; i += TSimd.Width)
                {
                    var value = left > i ? Partial<TSimd, TVec>.Load(row + (chunk * TileSet.ChunkInputs) + i, left - i) : TSimd.Zero;
                    if (ChunkBytes == TileSet.ChunkInputs * sizeof(float)) TSimd.Store((float*)target + i, value);
                    else TSimd.StoreBFloat16((ushort*)target + i, value);
                }
            }
        }
    }

    private struct Product : IParallelWork
    {
        public byte* Rows;
        public long RowBytes;
        public PackedMatrix Weights;
        public Matrix Y;
        public bool Accumulate;
        public RowBlocks Blocks;
        public int BlocksInCache;

        /// <summary>Panels of a tile of <see cref="Wide"/>: more than one only where there is one block.</summary>
        public int Panels;
        public TileKernel Wide;

        /// <summary>Tiles of one panel, for the blocks that have a row more and for the others.</summary>
        public TileKernel Larger, Smaller;

        /// <summary>Bytes that a tile fetches of the panel that comes next.</summary>
        public long PrefetchBytes;

        /// <summary>For each part, room for a panel in float32; null where panels are not widened.</summary>
        public float* Widened;
        public long WidenedFloats;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share((Weights.Panels + Panels - 1) / Panels, part, parts);
            (from, to) = (from * Panels, Math.Min(to * Panels, Weights.Panels));
            var results = stackalloc float[TileSet.TileFloats];
            var tile = new TileArguments { PanelBytes = (nint)Weights.PanelBytes, Chunks = Weights.Chunks, Tile = results };
            for (var block = 0; block < Blocks.Count; block += BlocksInCache)
            {
                var end = Math.Min(block + BlocksInCache, Blocks.Count);
                var panel = from;
                if (Panels > 1)
                {
                    for (; panel + Panels <= to; panel += Panels) MultiplyPanels(&tile, Weights.Panel(panel), panel, Panels, block, end);
                }

                for (; panel < to; panel++) MultiplyPanels(&tile, Widen(panel, part), panel, 1, block, end);
            }
        }

        private readonly byte* Widen(int panel, int part)
        {
            if (Widened is null) return Weights.Panel(panel);
            var target = Widened + (part * WidenedFloats);
            BFloat16Panel<TSimd, TVec>.Widen(Weights.Panel(panel), Weights.Chunks * TileSet.ChunkInputs, target);
            return (byte*)target;
        }

        private readonly void MultiplyPanels(TileArguments* tile, byte* weights, int panel, int panels, int block, int end)
        {
            var (column, width) = (panel * Weights.PanelWidth, panels * Weights.PanelWidth);
            var columns = Math.Min(width, Weights.Outputs - column);
            tile->Panel = weights;
            tile->Prefetch = Weights.Panel(panel + panels);
            for (; block < end; block++, tile->Prefetch += PrefetchBytes)
            {
                tile->Rows = Rows + (Blocks.FirstTileRow(block) * RowBytes);
                var kernel = panels > 1 ? Wide : Blocks.IsLarger(block) ? Larger : Smaller;
                kernel.Run(tile);
                for (var row = 0; row < Blocks.Rows(block); row++)
                    StoreRow(tile->Tile + (row * width), Y.Row(Blocks.FirstRow(block) + row) + column, columns, Accumulate);
            }
        }
    }
}
