using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>The innermost loops of attention, without calls, so that their sums stay in registers.</summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    private static class Tiles<TCache> where TCache : struct, ICacheFormat
    {
        /// <summary>scores[query, position] = query · key, for whole vectors of positions. Queries are [feature, 8].</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void Score8(VisiblePositions positions, float* queries, float* scores)
        {
            var cache = positions.Cache;
            int blockSize = cache.BlockSize, pairs = cache.KeySize / 2, pairBytes = 2 * blockSize * TCache.ElementBytes;
            for (var i = positions.First; i < positions.End; i += TSimd.Width)
            {
                var (block, slot) = Math.DivRem(positions.Start + i, blockSize);
                var key = cache.Keys(positions.Blocks[block], positions.Head) + (slot * TCache.KeySlotBytes);
                var q = queries;
                TVec s0 = TSimd.Zero, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
                for (var pair = 0; pair < pairs; pair++, key += pairBytes, q += 16)
                {
                    TCache.LoadKeys(key, blockSize, out var even, out var odd);
                    s0 = TSimd.Fma(even, TSimd.Broadcast(q[0]), s0);
                    s1 = TSimd.Fma(even, TSimd.Broadcast(q[1]), s1);
                    s2 = TSimd.Fma(even, TSimd.Broadcast(q[2]), s2);
                    s3 = TSimd.Fma(even, TSimd.Broadcast(q[3]), s3);
                    s4 = TSimd.Fma(even, TSimd.Broadcast(q[4]), s4);
                    s5 = TSimd.Fma(even, TSimd.Broadcast(q[5]), s5);
                    s6 = TSimd.Fma(even, TSimd.Broadcast(q[6]), s6);
                    s7 = TSimd.Fma(even, TSimd.Broadcast(q[7]), s7);
                    s0 = TSimd.Fma(odd, TSimd.Broadcast(q[8]), s0);
                    s1 = TSimd.Fma(odd, TSimd.Broadcast(q[9]), s1);
                    s2 = TSimd.Fma(odd, TSimd.Broadcast(q[10]), s2);
                    s3 = TSimd.Fma(odd, TSimd.Broadcast(q[11]), s3);
                    s4 = TSimd.Fma(odd, TSimd.Broadcast(q[12]), s4);
                    s5 = TSimd.Fma(odd, TSimd.Broadcast(q[13]), s5);
                    s6 = TSimd.Fma(odd, TSimd.Broadcast(q[14]), s6);
                    s7 = TSimd.Fma(odd, TSimd.Broadcast(q[15]), s7);
                }

                if (TCache.HasScales)
                {
                    var scale = TSimd.LoadBFloat16(cache.KeyScales(positions.Blocks[block], positions.Head) + slot);
                    (s0, s1, s2, s3) = (TSimd.Mul(s0, scale), TSimd.Mul(s1, scale), TSimd.Mul(s2, scale), TSimd.Mul(s3, scale));
                    (s4, s5, s6, s7) = (TSimd.Mul(s4, scale), TSimd.Mul(s5, scale), TSimd.Mul(s6, scale), TSimd.Mul(s7, scale));
                }

                var to = scores + i;
                TSimd.Store(to, s0);
                TSimd.Store(to + ChunkPositions, s1);
                TSimd.Store(to + (2 * ChunkPositions), s2);
                TSimd.Store(to + (3 * ChunkPositions), s3);
                TSimd.Store(to + (4 * ChunkPositions), s4);
                TSimd.Store(to + (5 * ChunkPositions), s5);
                TSimd.Store(to + (6 * ChunkPositions), s6);
                TSimd.Store(to + (7 * ChunkPositions), s7);
            }
        }

        /// <summary>As <see cref="Score8"/> for four queries, [feature, 4].</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void Score4(VisiblePositions positions, float* queries, float* scores)
        {
            var cache = positions.Cache;
            int blockSize = cache.BlockSize, pairs = cache.KeySize / 2, pairBytes = 2 * blockSize * TCache.ElementBytes;
            for (var i = positions.First; i < positions.End; i += TSimd.Width)
            {
                var (block, slot) = Math.DivRem(positions.Start + i, blockSize);
                var key = cache.Keys(positions.Blocks[block], positions.Head) + (slot * TCache.KeySlotBytes);
                var q = queries;
                TVec s0 = TSimd.Zero, s1 = s0, s2 = s0, s3 = s0;
                for (var pair = 0; pair < pairs; pair++, key += pairBytes, q += 8)
                {
                    TCache.LoadKeys(key, blockSize, out var even, out var odd);
                    s0 = TSimd.Fma(even, TSimd.Broadcast(q[0]), s0);
                    s1 = TSimd.Fma(even, TSimd.Broadcast(q[1]), s1);
                    s2 = TSimd.Fma(even, TSimd.Broadcast(q[2]), s2);
                    s3 = TSimd.Fma(even, TSimd.Broadcast(q[3]), s3);
                    s0 = TSimd.Fma(odd, TSimd.Broadcast(q[4]), s0);
                    s1 = TSimd.Fma(odd, TSimd.Broadcast(q[5]), s1);
                    s2 = TSimd.Fma(odd, TSimd.Broadcast(q[6]), s2);
                    s3 = TSimd.Fma(odd, TSimd.Broadcast(q[7]), s3);
                }

                if (TCache.HasScales)
                {
                    var scale = TSimd.LoadBFloat16(cache.KeyScales(positions.Blocks[block], positions.Head) + slot);
                    (s0, s1, s2, s3) = (TSimd.Mul(s0, scale), TSimd.Mul(s1, scale), TSimd.Mul(s2, scale), TSimd.Mul(s3, scale));
                }

                var to = scores + i;
                TSimd.Store(to, s0);
                TSimd.Store(to + ChunkPositions, s1);
                TSimd.Store(to + (2 * ChunkPositions), s2);
                TSimd.Store(to + (3 * ChunkPositions), s3);
            }
        }

        /// <summary>
        /// result[query, feature] = Σ over positions of weight × value, for a vector of features and the one <see cref="ValuePartner"/>
        /// further on. Weights are [query, position]; rows of the result are <paramref name="stride"/> floats apart.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void Weigh8(VisiblePositions positions, float* weights, int feature, float* result, int stride)
        {
            var cache = positions.Cache;
            int blockSize = cache.BlockSize, valueBytes = cache.PaddedHeadSize * TCache.ElementBytes, end = positions.Start + positions.End;
            TVec a0 = TSimd.Zero, a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
            TVec b0 = TSimd.Zero, b1 = b0, b2 = b0, b3 = b0, b4 = b0, b5 = b0, b6 = b0, b7 = b0;
            var w = weights + positions.First;
            for (var position = positions.Start + positions.First; position < end;)
            {
                var (block, slot) = Math.DivRem(position, blockSize);
                var value = cache.Values(positions.Blocks[block], positions.Head) + ((long)slot * valueBytes);
                for (var stop = Math.Min((block + 1) * blockSize, end); position < stop; position++, value += valueBytes, w++)
                {
                    TCache.LoadValue(value, feature, out var v, out var u);
                    var x = TSimd.Broadcast(w[0]);
                    (a0, b0) = (TSimd.Fma(x, v, a0), TSimd.Fma(x, u, b0));
                    x = TSimd.Broadcast(w[ChunkPositions]);
                    (a1, b1) = (TSimd.Fma(x, v, a1), TSimd.Fma(x, u, b1));
                    x = TSimd.Broadcast(w[2 * ChunkPositions]);
                    (a2, b2) = (TSimd.Fma(x, v, a2), TSimd.Fma(x, u, b2));
                    x = TSimd.Broadcast(w[3 * ChunkPositions]);
                    (a3, b3) = (TSimd.Fma(x, v, a3), TSimd.Fma(x, u, b3));
                    x = TSimd.Broadcast(w[4 * ChunkPositions]);
                    (a4, b4) = (TSimd.Fma(x, v, a4), TSimd.Fma(x, u, b4));
                    x = TSimd.Broadcast(w[5 * ChunkPositions]);
                    (a5, b5) = (TSimd.Fma(x, v, a5), TSimd.Fma(x, u, b5));
                    x = TSimd.Broadcast(w[6 * ChunkPositions]);
                    (a6, b6) = (TSimd.Fma(x, v, a6), TSimd.Fma(x, u, b6));
                    x = TSimd.Broadcast(w[7 * ChunkPositions]);
                    (a7, b7) = (TSimd.Fma(x, v, a7), TSimd.Fma(x, u, b7));
                }
            }

            result = Put(result, stride, a0, b0);
            result = Put(result, stride, a1, b1);
            result = Put(result, stride, a2, b2);
            result = Put(result, stride, a3, b3);
            result = Put(result, stride, a4, b4);
            result = Put(result, stride, a5, b5);
            result = Put(result, stride, a6, b6);
            Put(result, stride, a7, b7);
        }

        /// <summary>As <see cref="Weigh8"/> for four queries.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void Weigh4(VisiblePositions positions, float* weights, int feature, float* result, int stride)
        {
            var cache = positions.Cache;
            int blockSize = cache.BlockSize, valueBytes = cache.PaddedHeadSize * TCache.ElementBytes, end = positions.Start + positions.End;
            TVec a0 = TSimd.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
            var w = weights + positions.First;
            for (var position = positions.Start + positions.First; position < end;)
            {
                var (block, slot) = Math.DivRem(position, blockSize);
                var value = cache.Values(positions.Blocks[block], positions.Head) + ((long)slot * valueBytes);
                for (var stop = Math.Min((block + 1) * blockSize, end); position < stop; position++, value += valueBytes, w++)
                {
                    TCache.LoadValue(value, feature, out var v, out var u);
                    var x = TSimd.Broadcast(w[0]);
                    (a0, b0) = (TSimd.Fma(x, v, a0), TSimd.Fma(x, u, b0));
                    x = TSimd.Broadcast(w[ChunkPositions]);
                    (a1, b1) = (TSimd.Fma(x, v, a1), TSimd.Fma(x, u, b1));
                    x = TSimd.Broadcast(w[2 * ChunkPositions]);
                    (a2, b2) = (TSimd.Fma(x, v, a2), TSimd.Fma(x, u, b2));
                    x = TSimd.Broadcast(w[3 * ChunkPositions]);
                    (a3, b3) = (TSimd.Fma(x, v, a3), TSimd.Fma(x, u, b3));
                }
            }

            result = Put(result, stride, a0, b0);
            result = Put(result, stride, a1, b1);
            result = Put(result, stride, a2, b2);
            Put(result, stride, a3, b3);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static float* Put(float* result, int stride, TVec first, TVec second)
        {
            TSimd.Store(result, first);
            TSimd.Store(result + ValuePartner, second);
            return result + stride;
        }
    }
}
