namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Attention over the paged cache. Eight queries of one key-value head go together (heads that share it, then those of neighbouring rows),
/// so that a key or value is loaded once for eight. The context is cut into chunks of positions; each chunk's weights and weighted values
/// are computed by themselves and merged in the order of positions, by one thread or by several, whatever was computed before in which step.
/// </summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    private const int QueriesTogether = 8;

    /// <summary>Positions of a chunk. The bits of a result depend on it, so it depends on nothing.</summary>
    private const int ChunkPositions = 256;

    /// <summary>What chunks that are computed apart may take until they are merged; beyond it a group's chunks go one after the other.</summary>
    private const long MostPartialFloats = 16 << 20;

    private NativeBuffer<float>? _attentionScratch;
    private NativeBuffer<float>? _attentionPartials;

    public override void Attend(Matrix queries, KvCacheLayer cache, PagedBatch batch, AttentionOptions options, Matrix output)
    {
        switch (cache.Format)
        {
            case KvCacheFormat.BFloat16: Attend<BFloat16Cache>(queries, cache, batch, options, output); break;
            case KvCacheFormat.Int8: Attend<Int8Cache>(queries, cache, batch, options, output); break;
            default: Attend<Float32Cache>(queries, cache, batch, options, output); break;
        }
    }

    private void Attend<TCache>(Matrix queries, KvCacheLayer cache, PagedBatch batch, AttentionOptions options, Matrix output)
        where TCache : struct, ICacheFormat
    {
        // So that what lies before a window is a number, however long the window.
        options = options with { Window = Math.Min(options.Window, int.MaxValue / 2) };
        var chunk = new ChunkKernel<TCache> { Queries = queries, Cache = cache, Batch = batch, Options = options, Output = output };
        var work = new AttendWork<TCache> { Kernel = chunk, Sharing = queries.Columns / cache.HeadSize / cache.Heads };
        long operations = 0, groups = 0;
        foreach (var slice in batch.Slices)
        {
            operations += (long)slice.Rows * Math.Min(slice.FirstPosition + slice.Rows, options.Window) * queries.Columns;
            groups += (long)QueryGroup.CountOf(slice, work.Sharing) * cache.Heads;
        }

        var threads = operations > 2 * WorthSharing ? Pool.Threads : 1;
        work.Scratch = AtLeast(ref _attentionScratch, threads * chunk.ScratchFloats).Pointer;

        // Few groups of long contexts would leave threads without work, or wait for the longest.
        var chunks = (Math.Min(batch.MaxContext - 1, options.Window + ChunkPositions + QueriesTogether) / ChunkPositions) + 1;
        var partials = groups * chunks * chunk.PartialFloats;
        if (threads > 1 && chunks > 1 && groups < 4 * threads && partials <= MostPartialFloats)
        {
            work.Chunks = chunks;
            work.Partials = AtLeast(ref _attentionPartials, partials).Pointer;
            Pool.Run(ref work, threads);
            (work.Merges, work.Next) = (true, 0);
            threads = partials > WorthSharing ? threads : 1;
        }

        Pool.Run(ref work, threads);
    }

    /// <summary>Up to eight queries of one sequence that share a key-value head: the heads of one row, then those of the next.</summary>
    private readonly struct QueryGroup(SequenceSlice slice, int head, int group, int sharing)
    {
        public int Count { get; } = Math.Min(QueriesTogether, (slice.Rows * sharing) - (group * QueriesTogether));

        /// <summary>The key-value head.</summary>
        public int Head => head;

        /// <summary>Where the sequence's blocks start in the tables.</summary>
        public int FirstBlock => slice.FirstBlock;

        /// <summary>Groups that a key-value head has in a slice.</summary>
        public static int CountOf(SequenceSlice slice, int sharing) => ((slice.Rows * sharing) + QueriesTogether - 1) / QueriesTogether;

        public int Row(int query) => slice.FirstRow + (((group * QueriesTogether) + query) / sharing);

        public int QueryHead(int query) => (head * sharing) + (((group * QueriesTogether) + query) % sharing);

        /// <summary>Positions up to the query's own.</summary>
        public int Length(int query) => slice.FirstPosition + 1 + Row(query) - slice.FirstRow;

        /// <summary>The chunks that any of the queries sees: the first one sees furthest back, the last one furthest on.</summary>
        public (int First, int Last) Chunks(int window) => (Math.Max(0, Length(0) - window) / ChunkPositions, (Length(Count - 1) - 1) / ChunkPositions);
    }

    private struct AttendWork<TCache> : IParallelWork where TCache : struct, ICacheFormat
    {
        public ChunkKernel<TCache> Kernel;
        public int Sharing;

        /// <summary>Of each thread.</summary>
        public float* Scratch;

        /// <summary>Chunks of a group that are work of their own; 0 where a group is.</summary>
        public int Chunks;

        /// <summary>The results of such chunks, [group, chunk].</summary>
        public float* Partials;

        /// <summary>Whether the chunks are computed and are to be merged.</summary>
        public bool Merges;

        /// <summary>Threads take the next piece of work as they come free: contexts differ in length.</summary>
        public int Next;

        public void Run(int part, int parts)
        {
            var scratch = Scratch + (part * Kernel.ScratchFloats);
            var (slice, before, perGroup) = (0, 0, Chunks > 0 && !Merges ? Chunks : 1);
            var slices = Kernel.Batch.Slices;
            var item = Interlocked.Increment(ref Next) - 1;
            while (slice < slices.Count)
            {
                var groups = QueryGroup.CountOf(slices[slice], Sharing);
                var index = (item / perGroup) - before;
                if (index >= groups * Kernel.Cache.Heads)
                {
                    before += groups * Kernel.Cache.Heads;
                    slice++;
                    continue;
                }

                var group = new QueryGroup(slices[slice], index / groups, index % groups, Sharing);
                if (Chunks == 0) Whole(group, scratch);
                else if (Merges) Merge(group, Partial(index + before));
                else if (group.Chunks(Kernel.Options.Window) is var (first, last) && first + (item % Chunks) is var chunk && chunk <= last)
                    Kernel.Compute(group, chunk, scratch, Partial(index + before) + (item % Chunks * Kernel.PartialFloats));
                item = Interlocked.Increment(ref Next) - 1;
            }
        }

        private readonly float* Partial(int group) => Partials + ((long)group * Chunks * Kernel.PartialFloats);

        /// <summary>One chunk after the other, each merged as soon as it is computed.</summary>
        private readonly void Whole(QueryGroup group, float* scratch)
        {
            var (first, last) = group.Chunks(Kernel.Options.Window);
            float* sum = scratch + Kernel.ScratchFloats - (2 * Kernel.PartialFloats), next = sum + Kernel.PartialFloats;
            Kernel.Compute(group, first, scratch, sum);
            for (var chunk = first + 1; chunk <= last; chunk++)
            {
                Kernel.Compute(group, chunk, scratch, next);
                Kernel.Merge(group.Count, sum, next);
            }

            Kernel.Finish(group, sum);
        }

        private readonly void Merge(QueryGroup group, float* partials)
        {
            var (first, last) = group.Chunks(Kernel.Options.Window);
            for (var i = 1; i <= last - first; i++) Kernel.Merge(group.Count, partials, partials + (i * Kernel.PartialFloats));
            Kernel.Finish(group, partials);
        }
    }
}
