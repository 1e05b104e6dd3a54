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
            if (Weights.Shape.HasInt8Rows)
            {
                RunRows(part, parts);
                return;
            }

            // A chunk of every row of a block goes to one place, so that what is written is written from end to end.
            var (from, to) = Share(Weights.Passes, part, parts);
            for (var block = 0; block < Blocks.Count; block++) PackChunks(block, from, to);
        }

        private readonly void RunRows(int part, int parts)
        {
            var (from, to) = Share(X.Rows, part, parts);
            var excess = Weights.Shape.Format == TileFormat.Int4Dot ? 8 : 128;
            for (var block = 0; block < Blocks.Count; block++)
            {
                var target = Packed + (Blocks.FirstTileRow(block) * Weights.RowBytes);
                var tileRows = Blocks.TileRows(block);
                for (var row = 0; row < tileRows; row++)
                {
                    var source = Source(block, row);
                    if (source < from || source >= to) continue;
                    Int8Rows.Pack(X.Row(source), X.Columns, Weights.InputOrder, Weights.Passes * Weights.Shape.GroupsPerPass, excess, target, row, tileRows);
                }
            }
        }

        /// <summary>The row that a tile has in a place. Rows that only fill a tile up are the last one once more: they are computed and not stored.</summary>
        private readonly int Source(int block, int row) => Blocks.FirstRow(block) + Math.Min(row, Blocks.Rows(block) - 1);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void PackChunks(int block, int from, int to)
        {
            var tileRows = Blocks.TileRows(block);
            var bytes = TileSet.ChunkRowBytes(Weights.Shape.Format);
            var target = Packed + (Blocks.FirstTileRow(block) * Weights.RowBytes) + ((long)from * tileRows * bytes);
            for (var chunk = from; chunk < to; chunk++)
            {
                var first = chunk * TileSet.ChunkInputs;
                for (var row = 0; row < tileRows; row++, target += bytes) PackChunk(X.Row(Source(block, row)) + first, X.Columns - first, target);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly void PackChunk(float* source, int left, byte* target)
        {
            for (var i = 0; i < TileSet.ChunkInputs; i += TSimd.Width)
            {
                var value = left > i ? Partial<TSimd, TVec>.Load(source + i, left - i) : TSimd.Zero;
                if (Weights.Shape.Format == TileFormat.BFloat16Dot) TSimd.StoreBFloat16((ushort*)target + i, value);
                else TSimd.Store((float*)target + i, value);
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
                PrefetchRows(Y, Blocks.FirstRow(block), Blocks.Rows(block), column, columns);
                var kernel = panels > 1 ? Wide : Blocks.IsLarger(block) ? Larger : Smaller;
                kernel.Run(tile);
                for (var row = 0; row < Blocks.Rows(block); row++)
                    StoreRow(tile->Tile + (row * width), Y.Row(Blocks.FirstRow(block) + row) + column, columns, Accumulate);
            }
        }
    }
}
