namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Products of many rows with many inputs: all inputs of more than a few blocks of rows are too much for a core's second-level cache, and
/// with fewer blocks at a time the weights would be read again and again. So the inputs are cut into pieces. Sums go on where those of the
/// piece before have ended: the chain of operations is that of <see cref="Product"/>, and so is the result.
/// </summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    /// <summary>Blocks of rows at a time that weights should be read for; where fewer fit in the cache, inputs are cut. Measured.</summary>
    private const int BlocksPerPiece = 4;

    private NativeBuffer<float>? _partialSums;

    /// <summary>Chunks of inputs in a piece, or all where cutting would not help or cannot be.</summary>
    private int PieceChunks(Panels weights, RowBlocks blocks)
    {
        if (!tiles.CanContinue(weights.Shape.Format)) return weights.Passes;
        var blockChunkBytes = (long)TileSet.ChunkRowBytes(weights.Shape.Format) * blocks.TileRows(0);
        var fitting = (int)Math.Max(1, RowsInCache / (blockChunkBytes * Math.Min(BlocksPerPiece, blocks.Count)));
        var pieces = (weights.Passes + fitting - 1) / fitting;
        return (weights.Passes + pieces - 1) / pieces;
    }

    private struct PiecewiseProduct : IParallelWork
    {
        /// <summary>What is the same for all inputs at once; its kernels begin.</summary>
        public Product Whole;

        /// <summary>Where sums over some of the inputs are kept: in y, unless y has something in it that they are added to.</summary>
        public Matrix Sums;

        public int PieceChunks;

        /// <summary>The kernels for all pieces but the first.</summary>
        public TileKernel LargerRest, SmallerRest;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(Whole.Weights.Count, part, parts);
            var results = stackalloc float[TileSet.TileFloats];
            var tile = new TileArguments { Tile = results };
            for (var block = 0; block < Whole.Blocks.Count; block += Whole.BlocksInCache)
            {
                var end = Math.Min(block + Whole.BlocksInCache, Whole.Blocks.Count);
                for (var chunk = 0; chunk < Whole.Weights.Passes; chunk += PieceChunks)
                {
                    tile.Passes = Math.Min(PieceChunks, Whole.Weights.Passes - chunk);
                    for (var panel = from; panel < to; panel++) MultiplyPiece(&tile, panel, chunk, block, end);
                }
            }
        }

        private readonly void MultiplyPiece(TileArguments* tile, int panel, int chunk, int block, int end)
        {
            var (weights, blocks) = (Whole.Weights, Whole.Blocks);
            var column = panel * weights.Width;
            var columns = Math.Min(weights.Width, weights.Outputs - column);
            var isLast = chunk + tile->Passes == weights.Passes;
            var target = isLast ? Whole.Y : Sums;
            var (chunkBytes, rowBytes) = (weights.Bytes / weights.Passes, TileSet.ChunkRowBytes(weights.Shape.Format));
            tile->Panel = weights[panel] + (chunk * chunkBytes);
            tile->Prefetch = weights[panel + 1] + (chunk * chunkBytes);
            for (; block < end; block++, tile->Prefetch += Whole.PrefetchBytes / weights.Passes * tile->Passes)
            {
                var (first, rows) = (blocks.FirstRow(block), blocks.Rows(block));
                tile->Rows = Whole.Rows + (((blocks.FirstTileRow(block) * (long)weights.Passes) + ((long)chunk * blocks.TileRows(block))) * rowBytes);
                for (var row = 0; chunk > 0 && row < rows; row++) LoadRow(Sums.Row(first + row) + column, tile->Tile + (row * weights.Width), columns);
                PrefetchRows(target, first, rows, column, columns);
                var (larger, smaller) = chunk > 0 ? (LargerRest, SmallerRest) : (Whole.Larger, Whole.Smaller);
                (blocks.IsLarger(block) ? larger : smaller).Run(tile);
                for (var row = 0; row < rows; row++)
                    StoreRow(tile->Tile + (row * weights.Width), target.Row(first + row) + column, columns, isLast && Whole.Accumulate);
            }
        }

        private static void LoadRow(float* source, float* tile, int columns)
        {
            for (var i = 0; i < columns; i += TSimd.Width) TSimd.Store(tile + i, Partial<TSimd, TVec>.Load(source + i, columns - i));
        }
    }
}
