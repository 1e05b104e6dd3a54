using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Attention over the paged cache. Four queries of one key-value head go together (heads that share it, or neighbouring rows), so that a
/// key or value is loaded once for four. Scores, their sum and the weighted values follow the order of positions, whatever was computed
/// before in which chunk.
/// </summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    private const int QueriesTogether = 4;

    private NativeBuffer<float>? _scores;

    public override void StoreKeysValues(Matrix keys, Matrix values, KvCacheLayer cache, PagedBatch batch)
    {
        var work = new StoreWork { Keys = keys, Values = values, Cache = cache, Batch = batch };
        Pool.Run(ref work, (long)keys.Rows * keys.Columns > WorthSharing / 4);
    }

    public override void Attend(Matrix queries, KvCacheLayer cache, PagedBatch batch, AttentionOptions options, Matrix output)
    {
        var capacity = (batch.MaxContext + cache.BlockSize - 1) / cache.BlockSize * cache.BlockSize;
        var work = new AttendWork
        {
            Queries = queries,
            Cache = cache,
            Batch = batch,
            Options = options,
            Output = output,
            Scores = AtLeast(ref _scores, (long)Pool.Threads * QueriesTogether * capacity).Pointer,
            Capacity = capacity,
        };
        long operations = 0;
        foreach (var slice in batch.Slices) operations += (long)slice.Rows * Math.Min(slice.FirstPosition + slice.Rows, options.Window) * queries.Columns;
        Pool.Run(ref work, operations > 8 * WorthSharing ? Pool.Threads : 1);
    }

    private struct StoreWork : IParallelWork
    {
        public Matrix Keys;
        public Matrix Values;
        public KvCacheLayer Cache;
        public PagedBatch Batch;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(Keys.Rows, part, parts);
            foreach (var slice in Batch.Slices)
            {
                for (var row = Math.Max(from, slice.FirstRow); row < Math.Min(to, slice.FirstRow + slice.Rows); row++)
                {
                    var position = slice.FirstPosition + row - slice.FirstRow;
                    var block = Batch.BlockTables[slice.FirstBlock + (position / Cache.BlockSize)];
                    for (var head = 0; head < Cache.Heads; head++) Store(block, head, position % Cache.BlockSize, row);
                }
            }
        }

        private readonly void Store(int block, int head, int slot, int row)
        {
            int size = Cache.HeadSize, stride = Cache.BlockSize, valueStart = slot * Cache.PaddedHeadSize;
            float* key = Keys.Row(row) + ((long)head * size), value = Values.Row(row) + ((long)head * size);
            if (Cache.Format == KvCacheFormat.BFloat16)
            {
                ushort* k = (ushort*)Cache.Keys(block, head) + slot, v = (ushort*)Cache.Values(block, head) + valueStart;
                for (var d = 0; d < size; d++)
                {
                    k[(long)d * stride] = BFloat16Bits.FromSingle(key[d]);
                    v[d] = BFloat16Bits.FromSingle(value[d]);
                }
            }
            else
            {
                float* k = (float*)Cache.Keys(block, head) + slot, v = (float*)Cache.Values(block, head) + valueStart;
                for (var d = 0; d < size; d++)
                {
                    k[(long)d * stride] = key[d];
                    v[d] = value[d];
                }
            }
        }
    }

    /// <summary>Elements of the cache as vectors of floats.</summary>
    private interface ICacheFormat
    {
        static abstract int ElementBytes { get; }

        static abstract TVec Load(byte* source);
    }

    private readonly struct Float32Cache : ICacheFormat
    {
        public static int ElementBytes => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Load(byte* source) => TSimd.Load((float*)source);
    }

    private readonly struct BFloat16Cache : ICacheFormat
    {
        public static int ElementBytes => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Load(byte* source) => TSimd.LoadBFloat16((ushort*)source);
    }

    private struct AttendWork : IParallelWork
    {
        public Matrix Queries;
        public KvCacheLayer Cache;
        public PagedBatch Batch;
        public AttentionOptions Options;
        public Matrix Output;
        public float* Scores;
        public int Capacity;
        private int _next;

        /// <summary>Threads take the next group of queries as they come free: contexts differ in length, and groups are independent.</summary>
        public void Run(int part, int parts)
        {
            var scores = Scores + ((long)part * QueriesTogether * Capacity);
            int sharing = Queries.Columns / Cache.HeadSize / Cache.Heads, slice = 0, before = 0;
            var item = Interlocked.Increment(ref _next) - 1;
            while (slice < Batch.Slices.Count)
            {
                var groups = ((Batch.Slices[slice].Rows * sharing) + QueriesTogether - 1) / QueriesTogether;
                if (item - before >= groups * Cache.Heads)
                {
                    before += groups * Cache.Heads;
                    slice++;
                    continue;
                }

                var (head, group) = Math.DivRem(item - before, groups);
                if (Cache.Format == KvCacheFormat.BFloat16) Attend<BFloat16Cache>(Batch.Slices[slice], head, group, sharing, scores);
                else Attend<Float32Cache>(Batch.Slices[slice], head, group, sharing, scores);
                item = Interlocked.Increment(ref _next) - 1;
            }
        }

        private readonly void Attend<TCache>(SequenceSlice slice, int head, int group, int sharing, float* scores)
            where TCache : struct, ICacheFormat
        {
            // Query number i of the slice is head i mod sharing of row i / sharing; a group that is not full repeats its last query.
            var queries = stackalloc float*[QueriesTogether];
            var outputs = stackalloc float*[QueriesTogether];
            var lengths = stackalloc int[QueriesTogether];
            var heads = stackalloc int[QueriesTogether];
            var sums = stackalloc float[QueriesTogether];
            var count = Math.Min(QueriesTogether, (slice.Rows * sharing) - (group * QueriesTogether));
            for (var i = 0; i < QueriesTogether; i++)
            {
                var (row, shared) = Math.DivRem((group * QueriesTogether) + Math.Min(i, count - 1), sharing);
                heads[i] = (head * sharing) + shared;
                var column = heads[i] * Cache.HeadSize;
                queries[i] = Queries.Row(slice.FirstRow + row) + column;
                outputs[i] = Output.Row(slice.FirstRow + row) + column;
                lengths[i] = slice.FirstPosition + row + 1;
            }

            fixed (int* blocks = &Batch.BlockTables[slice.FirstBlock])
            {
                // The first query sees furthest back, the last one furthest on.
                int length = lengths[QueriesTogether - 1], first = Math.Max(0, lengths[0] - Options.Window) / TSimd.Width * TSimd.Width;
                Score<TCache>(queries, blocks, head, first, length, scores);
                for (var i = 0; i < QueriesTogether; i++)
                    sums[i] = Softmax(scores + ((long)i * Capacity), first, lengths[i], length, heads[i]);
                Weigh<TCache>(scores, blocks, head, first, length, sums, outputs, count);
            }
        }

        /// <summary>scores[i, position] = query i · key, for whole vectors of positions from <paramref name="first"/> up to <paramref name="length"/>.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Score<TCache>(float** queries, int* blocks, int head, int first, int length, float* scores)
            where TCache : struct, ICacheFormat
        {
            float* q0 = queries[0], q1 = queries[1], q2 = queries[2], q3 = queries[3];
            int blockSize = Cache.BlockSize, size = Cache.HeadSize, stride = blockSize * TCache.ElementBytes;
            for (var position = first; position < length; position += TSimd.Width)
            {
                var (block, slot) = Math.DivRem(position, blockSize);
                var key = Cache.Keys(blocks[block], head) + (slot * TCache.ElementBytes);
                TVec s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
                for (var d = 0; d < size; d++, key += stride)
                {
                    var k = TCache.Load(key);
                    s0 = TSimd.Fma(TSimd.Broadcast(q0[d]), k, s0);
                    s1 = TSimd.Fma(TSimd.Broadcast(q1[d]), k, s1);
                    s2 = TSimd.Fma(TSimd.Broadcast(q2[d]), k, s2);
                    s3 = TSimd.Fma(TSimd.Broadcast(q3[d]), k, s3);
                }

                var to = scores + position;
                TSimd.Store(to, s0);
                TSimd.Store(to + Capacity, s1);
                TSimd.Store(to + (2L * Capacity), s2);
                TSimd.Store(to + (3L * Capacity), s3);
            }
        }

        /// <summary>
        /// Exponentials of the scores that one query sees, zero for the others from <paramref name="first"/> to
        /// <paramref name="padded"/>; returns their sum, the sink's included.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly float Softmax(float* scores, int first, int length, int padded, int head)
        {
            // What a query does not see of its first vector counts as minus infinity: the order of the sum is that of positions alone.
            var start = Math.Max(0, length - Options.Window);
            var begin = start / TSimd.Width * TSimd.Width;
            for (var i = first; i < begin; i++) scores[i] = 0;
            for (var i = begin; i < start; i++) scores[i] = float.NegativeInfinity;
            for (var i = length; i < padded; i++) scores[i] = 0;

            var scale = Options.Scale;
            if (Options.SoftCap > 0)
            {
                Cap(scores, begin, length, scale, Options.SoftCap);
                scale = 1;
            }

            var max = float.NegativeInfinity;
            var whole = length - (length % TSimd.Width);
            var maxima = TSimd.Broadcast(max);
            for (var i = begin; i < whole; i += TSimd.Width) maxima = TSimd.Max(TSimd.Load(scores + i), maxima);
            max = TSimd.MaxLane(maxima);
            for (var i = whole; i < length; i++) max = MathF.Max(max, scores[i]);
            max *= scale;
            var sink = Options.Sinks is null ? float.NegativeInfinity : Options.Sinks.Pointer[head];
            if (sink > max) max = sink;

            TVec factor = TSimd.Broadcast(scale), shift = TSimd.Broadcast(max), sums = TSimd.Zero;
            for (var i = begin; i < length; i += TSimd.Width)
            {
                var left = length - i;
                var e = TSimd.Exp(TSimd.Sub(TSimd.Mul(Partial<TSimd, TVec>.Load(scores + i, left), factor), shift));
                Partial<TSimd, TVec>.Store(scores + i, e, left);
                sums = TSimd.Add(sums, Partial<TSimd, TVec>.Load(scores + i, left));
            }

            var sum = TSimd.Sum(sums);
            return Options.Sinks is null ? sum : sum + MathF.Exp(sink - max);
        }

        /// <summary>The capped scores; what is minus infinity is put back afterwards, as the cap would make it finite.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Cap(float* scores, int begin, int length, float scale, float cap)
        {
            TVec twiceInverse = TSimd.Broadcast(2 * scale / cap), limit = TSimd.Broadcast(cap), twiceLimit = TSimd.Broadcast(2 * cap);
            for (var i = begin; i < length; i += TSimd.Width)
            {
                var capped = SoftCap(Partial<TSimd, TVec>.Load(scores + i, length - i), twiceInverse, limit, twiceLimit);
                Partial<TSimd, TVec>.Store(scores + i, capped, length - i);
            }

            for (var i = begin; i < length - Options.Window; i++) scores[i] = float.NegativeInfinity;
        }

        /// <summary>output i = Σ over positions of weight × value, divided by the sum of the weights.</summary>
        private readonly void Weigh<TCache>(float* scores, int* blocks, int head, int first, int length, float* sums, float** outputs, int count)
            where TCache : struct, ICacheFormat
        {
            var tile = stackalloc float[QueriesTogether * 32];
            for (var d = 0; d < Cache.HeadSize; d += 2 * TSimd.Width)
            {
                WeighTile<TCache>(scores, blocks, head, first, length, d, tile);
                var columns = Math.Min(2 * TSimd.Width, Cache.HeadSize - d);
                for (var i = 0; i < count; i++)
                {
                    var row = tile + (i * 2 * TSimd.Width);
                    var scale = TSimd.Broadcast(1 / sums[i]);
                    for (var c = 0; c < columns; c += TSimd.Width)
                        Partial<TSimd, TVec>.Store(outputs[i] + d + c, TSimd.Mul(TSimd.Load(row + c), scale), columns - c);
                }
            }
        }

        /// <summary>Two vectors of features of four queries. Without calls, so that the sums stay in registers.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void WeighTile<TCache>(float* scores, int* blocks, int head, int first, int length, int feature, float* tile)
            where TCache : struct, ICacheFormat
        {
            int blockSize = Cache.BlockSize, stride = Cache.PaddedHeadSize * TCache.ElementBytes;
            float* w0 = scores, w1 = w0 + Capacity, w2 = w1 + Capacity, w3 = w2 + Capacity;
            TVec a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
            TVec b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero, b3 = TSimd.Zero;
            for (int position = first, block = first / blockSize; position < length; block++)
            {
                var slot = position - (block * blockSize);
                var value = Cache.Values(blocks[block], head) + (feature * TCache.ElementBytes) + ((long)slot * stride);
                var end = Math.Min((block + 1) * blockSize, length);
                for (; position < end; position++, value += stride)
                {
                    TVec v = TCache.Load(value), u = TCache.Load(value + (TSimd.Width * TCache.ElementBytes)), w;
                    w = TSimd.Broadcast(w0[position]); a0 = TSimd.Fma(w, v, a0); b0 = TSimd.Fma(w, u, b0);
                    w = TSimd.Broadcast(w1[position]); a1 = TSimd.Fma(w, v, a1); b1 = TSimd.Fma(w, u, b1);
                    w = TSimd.Broadcast(w2[position]); a2 = TSimd.Fma(w, v, a2); b2 = TSimd.Fma(w, u, b2);
                    w = TSimd.Broadcast(w3[position]); a3 = TSimd.Fma(w, v, a3); b3 = TSimd.Fma(w, u, b3);
                }
            }

            tile = Put(tile, a0, b0);
            tile = Put(tile, a1, b1);
            tile = Put(tile, a2, b2);
            Put(tile, a3, b3);
        }
    }
}
