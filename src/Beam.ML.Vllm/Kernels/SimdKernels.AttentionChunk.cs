using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>What one chunk of positions adds to the attention of a group of queries, and how chunks are merged.</summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    /// <summary>
    /// The result of a chunk is, for eight queries, the largest score, the sum of the weights e^(score − largest), and the sum of the
    /// weighted values, [query, feature]. A query that sees nothing of a chunk has −∞ for its largest score.
    /// </summary>
    private struct ChunkKernel<TCache> where TCache : struct, ICacheFormat
    {
        private const int Maxima = 0, Sums = QueriesTogether, WeightedValues = 2 * QueriesTogether;

        public Matrix Queries;
        public KvCacheLayer Cache;
        public PagedBatch Batch;
        public AttentionOptions Options;
        public Matrix Output;

        /// <summary>Floats of a result.</summary>
        public readonly long PartialFloats => WeightedValues + (QueriesTogether * (long)Cache.PaddedHeadSize);

        /// <summary>Floats to work in: the queries of a group, their scores, two results.</summary>
        public readonly long ScratchFloats => (QueriesTogether * (long)Cache.KeySize) + (QueriesTogether * ChunkPositions) + (2 * PartialFloats);

        public readonly void Compute(QueryGroup group, int chunk, float* scratch, float* result)
        {
            // Queries of half a group are computed by the smaller tiles.
            var wide = group.Count > QueriesTogether / 2;
            float* queries = scratch, scores = queries + (QueriesTogether * Cache.KeySize);
            Pack(group, wide ? QueriesTogether : QueriesTogether / 2, queries);

            // Positions from here on count from the start of the chunk, and begin at a whole vector.
            var start = chunk * ChunkPositions;
            var first = Math.Max(0, group.Length(0) - Options.Window - start) / TSimd.Width * TSimd.Width;
            var end = Math.Min(ChunkPositions, group.Length(group.Count - 1) - start);
            fixed (int* tables = Batch.BlockTables)
            {
                var positions = new VisiblePositions { Cache = Cache, Blocks = tables + group.FirstBlock, Head = group.Head, Start = start, First = first, End = end };
                if (wide) Tiles<TCache>.Score8(positions, queries, scores);
                else Tiles<TCache>.Score4(positions, queries, scores);

                for (var i = 0; i < group.Count; i++)
                {
                    var to = Math.Min(group.Length(i) - start, ChunkPositions);
                    var from = Math.Max(0, group.Length(i) - Options.Window - start);
                    (result[Maxima + i], result[Sums + i]) = Weights(positions, scores + (i * ChunkPositions), from, to);
                }

                Weigh(positions, scores, group.Count, result + WeightedValues);
            }
        }

        /// <summary>Adds the result of a later chunk to that of earlier ones.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Merge(int count, float* sum, float* next)
        {
            for (var i = 0; i < count; i++)
            {
                float earlier = sum[Maxima + i], later = next[Maxima + i];
                if (float.IsNegativeInfinity(later)) continue;
                float* to = sum + WeightedValues + (i * Cache.PaddedHeadSize), from = next + WeightedValues + (i * Cache.PaddedHeadSize);
                if (float.IsNegativeInfinity(earlier))
                {
                    (sum[Maxima + i], sum[Sums + i]) = (later, next[Sums + i]);
                    new ReadOnlySpan<float>(from, Cache.PaddedHeadSize).CopyTo(new Span<float>(to, Cache.PaddedHeadSize));
                    continue;
                }

                var max = MathF.Max(earlier, later);
                float keep = MathF.Exp(earlier - max), take = MathF.Exp(later - max);
                sum[Maxima + i] = max;
                sum[Sums + i] = (sum[Sums + i] * keep) + (next[Sums + i] * take);
                TVec k = TSimd.Broadcast(keep), t = TSimd.Broadcast(take);
                for (var d = 0; d < Cache.PaddedHeadSize; d += TSimd.Width)
                    TSimd.Store(to + d, TSimd.Fma(TSimd.Load(from + d), t, TSimd.Mul(TSimd.Load(to + d), k)));
            }
        }

        /// <summary>Divides the weighted values by the sum of the weights, the sink's included.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Finish(QueryGroup group, float* result)
        {
            for (var i = 0; i < group.Count; i++)
            {
                var (head, total, scale) = (group.QueryHead(i), result[Sums + i], 1f);
                if (Options.Sinks is { } sinks)
                {
                    var max = MathF.Max(result[Maxima + i], sinks.Pointer[head]);
                    scale = MathF.Exp(result[Maxima + i] - max);
                    total = (total * scale) + MathF.Exp(sinks.Pointer[head] - max);
                }

                var factor = TSimd.Broadcast(scale / total);
                float* from = result + WeightedValues + (i * Cache.PaddedHeadSize), to = Output.Row(group.Row(i)) + ((long)head * Cache.HeadSize);
                for (var d = 0; d < Cache.HeadSize; d += TSimd.Width)
                    Partial<TSimd, TVec>.Store(to + d, TSimd.Mul(TSimd.Load(from + d), factor), Cache.HeadSize - d);
            }
        }

        /// <summary>The scaled queries, [feature, query]; zeros for what is missing of a group and of a pair of features.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Pack(QueryGroup group, int width, float* packed)
        {
            for (var i = 0; i < width; i++)
            {
                var to = packed + i;
                var size = i < group.Count ? Cache.HeadSize : 0;
                var query = size == 0 ? null : Queries.Row(group.Row(i)) + ((long)group.QueryHead(i) * Cache.HeadSize);
                for (var d = 0; d < size; d++, to += width) *to = query[d] * Options.Scale;
                for (var d = size; d < Cache.KeySize; d++, to += width) *to = 0;
            }
        }

        /// <summary>
        /// Turns the scores of one query, which sees positions <paramref name="from"/> to <paramref name="to"/> of the chunk, into weights,
        /// times the scales that the values have; zero for what it does not see. Returns the largest score and the sum of the weights.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly (float Max, float Sum) Weights(VisiblePositions positions, float* scores, int from, int to)
        {
            if (from >= to)
            {
                for (var i = positions.First; i < positions.End; i++) scores[i] = 0;
                return (float.NegativeInfinity, 0);
            }

            // What a query does not see of its first and last vectors counts as −∞: the order of the sum is that of positions alone.
            var begin = from / TSimd.Width * TSimd.Width;
            var end = (to + TSimd.Width - 1) / TSimd.Width * TSimd.Width;
            if (Options.SoftCap > 0) Cap(scores, begin, end, Options.SoftCap);
            for (var i = positions.First; i < begin; i++) scores[i] = 0;
            for (var i = begin; i < from; i++) scores[i] = float.NegativeInfinity;
            for (var i = to; i < end; i++) scores[i] = float.NegativeInfinity;
            for (var i = end; i < positions.End; i++) scores[i] = 0;

            var maxima = TSimd.Load(scores + begin);
            for (var i = begin + TSimd.Width; i < end; i += TSimd.Width) maxima = TSimd.Max(TSimd.Load(scores + i), maxima);
            var max = TSimd.MaxLane(maxima);

            TVec shift = TSimd.Broadcast(max), sums = TSimd.Zero;
            for (var i = begin; i < end; i += TSimd.Width)
            {
                var weight = TSimd.Exp(TSimd.Sub(TSimd.Load(scores + i), shift));
                sums = TSimd.Add(sums, weight);
                if (TCache.HasScales) weight = TSimd.Mul(weight, TSimd.LoadBFloat16(positions.ValueScales(i)));
                TSimd.Store(scores + i, weight);
            }

            // What lies past the end has no value, hence no scale.
            if (TCache.HasScales)
            {
                for (var i = to; i < end; i++) scores[i] = 0;
            }

            return (max, TSimd.Sum(sums));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Cap(float* scores, int from, int to, float cap)
        {
            TVec twiceInverse = TSimd.Broadcast(2 / cap), limit = TSimd.Broadcast(cap), twiceLimit = TSimd.Broadcast(2 * cap);
            for (var i = from; i < to; i += TSimd.Width) TSimd.Store(scores + i, SoftCap(TSimd.Load(scores + i), twiceInverse, limit, twiceLimit));
        }

        private readonly void Weigh(VisiblePositions positions, float* weights, int count, float* result)
        {
            int size = Cache.PaddedHeadSize, half = QueriesTogether / 2;
            for (var group = 0; group < size; group += KvCacheLayer.FeatureAlignment)
            {
                for (var feature = group; feature < group + ValuePartner; feature += TSimd.Width)
                {
                    if (feature >= Cache.HeadSize) break;

                    // Narrower vectors come with fewer registers: eight queries' sums would not stay in them.
                    if (count > half && TSimd.Width == 16)
                    {
                        Tiles<TCache>.Weigh8(positions, weights, feature, result + feature, size);
                        continue;
                    }

                    Tiles<TCache>.Weigh4(positions, weights, feature, result + feature, size);
                    if (count > half) Tiles<TCache>.Weigh4(positions, weights + (half * ChunkPositions), feature, result + feature + (half * size), size);
                }
            }
        }
    }

    /// <summary>The positions of a chunk that a group of queries sees, and where their keys and values are.</summary>
    private struct VisiblePositions
    {
        public KvCacheLayer Cache;
        public int* Blocks;
        public int Head;

        /// <summary>The position that the chunk starts at.</summary>
        public int Start;

        /// <summary>From the start of the chunk: the first position, of a whole vector, and the one after the last.</summary>
        public int First;
        public int End;

        public readonly ushort* ValueScales(int position)
        {
            var (block, slot) = Math.DivRem(Start + position, Cache.BlockSize);
            return Cache.ValueScales(Blocks[block], Head) + slot;
        }
    }
}
