using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    /// <summary>Where the tiles find a matrix, and what they multiply it with.</summary>
    private readonly record struct Panels(nint First, long Bytes, int Count, int Width, int Outputs, int Passes, TileShape Shape, int[]? InputOrder = null)
    {
        public byte* this[int panel] => (byte*)First + (panel * Bytes);

        /// <summary>Bytes that a row of activations takes.</summary>
        public long RowBytes => (long)Passes * (Shape.HasInt8Rows ? Shape.GroupsPerPass * Int8Rows.GroupBytes : TileSet.ChunkRowBytes(Shape.Format));

        public static Panels Of(PackedMatrix matrix, TileFormat format) => new(
            (nint)matrix.Panel(0), matrix.PanelBytes, matrix.Panels, matrix.PanelWidth, matrix.Outputs, matrix.Chunks, new TileShape(format, 0));

        public static Panels Of(QuantizedMatrix matrix, TileFormat format)
        {
            var layout = matrix.Layout;
            var shape = new TileShape(
                format, 0, GroupsPerPass: matrix.BlockSize / Int8Rows.GroupInputs, HasZeroPoints: layout.HasZeroPoints, HasFloat32Scales: layout.HasFloat32Scales);
            return new Panels((nint)matrix.Panel(0), matrix.PanelBytes, matrix.Panels, matrix.PanelWidth, matrix.Outputs, matrix.Blocks, shape, layout.InputOrder);
        }
    }

    /// <summary>Lays blocks of rows out as the tiles read them: a chunk of inputs of each row, then the next chunk of each row.</summary>
    private struct PackRows : IParallelWork
    {
        public Matrix X;
        public byte* Packed;
        public Panels Weights;
        public RowBlocks Blocks;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(X.Rows, part, parts);
            for (var block = 0; block < Blocks.Count; block++)
            {
                // Rows that only fill a tile up are the last row once more: they are computed and not stored.
                var (first, rows, tileRows) = (Blocks.FirstRow(block), Blocks.Rows(block), Blocks.TileRows(block));
                var target = Packed + (Blocks.FirstTileRow(block) * Weights.RowBytes);
                for (var row = 0; row < tileRows; row++)
                {
                    var source = first + Math.Min(row, rows - 1);
                    if (source >= from && source < to) PackRow(X.Row(source), target, row, tileRows);
                }
            }
        }

        private readonly void PackRow(float* source, byte* block, int row, int rows)
        {
            if (Weights.Shape.HasInt8Rows)
            {
                var excess = Weights.Shape.Format == TileFormat.Int4Dot ? 8 : 128;
                Int8Rows.Pack(source, X.Columns, Weights.InputOrder, Weights.Passes * Weights.Shape.GroupsPerPass, excess, block, row, rows);
                return;
            }

            var bytes = TileSet.ChunkRowBytes(Weights.Shape.Format);
            PackChunks(source, block + (row * bytes), rows * bytes);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void PackChunks(float* source, byte* target, int stride)
        {
            for (var chunk = 0; chunk < Weights.Passes; chunk++, target += stride)
            {
                var left = X.Columns - (chunk * TileSet.ChunkInputs);
                for (var i = 0; i < TileSet.ChunkInputs; i += TSimd.Width)
                {
                    var value = left > i ? Partial<TSimd, TVec>.Load(source + (chunk * TileSet.ChunkInputs) + i, left - i) : TSimd.Zero;
                    if (Weights.Shape.Format == TileFormat.BFloat16Dot) TSimd.StoreBFloat16((ushort*)target + i, value);
                    else TSimd.Store((float*)target + i, value);
                }
            }
        }
    }

    private struct Product : IParallelWork
    {
        public byte* Rows;
        public long RowBytes;
        public Panels Weights;
        public Matrix Y;
        public bool Accumulate;
        public RowBlocks Blocks;
        public int BlocksInCache;

        /// <summary>Panels of a tile of <see cref="Wide"/>: more than one only where there is one block.</summary>
        public int WidePanels;
        public TileKernel Wide;

        /// <summary>Tiles of one panel, for the blocks that have a row more and for the others.</summary>
        public TileKernel Larger, Smaller;

        /// <summary>Bytes that a tile fetches of the panel that comes next.</summary>
        public long PrefetchBytes;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share((Weights.Count + WidePanels - 1) / WidePanels, part, parts);
            (from, to) = (from * WidePanels, Math.Min(to * WidePanels, Weights.Count));
            var results = stackalloc float[TileSet.TileFloats];
            var tile = new TileArguments { PanelBytes = (nint)Weights.Bytes, Passes = Weights.Passes, Tile = results };
            for (var block = 0; block < Blocks.Count; block += BlocksInCache)
            {
                var end = Math.Min(block + BlocksInCache, Blocks.Count);
                var panel = from;
                if (WidePanels > 1)
                {
                    for (; panel + WidePanels <= to; panel += WidePanels) MultiplyPanels(&tile, panel, WidePanels, block, end);
                }

                for (; panel < to; panel++) MultiplyPanels(&tile, panel, 1, block, end);
            }
        }

        private readonly void MultiplyPanels(TileArguments* tile, int panel, int panels, int block, int end)
        {
            var (column, width) = (panel * Weights.Width, panels * Weights.Width);
            var columns = Math.Min(width, Weights.Outputs - column);
            tile->Panel = Weights[panel];
            tile->Prefetch = Weights[panel + panels];
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
