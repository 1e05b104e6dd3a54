using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Writing keys and values to the cache, and reading them as vectors of floats.</summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    /// <summary>A word of two bfloat16 numbers of a value holds features that lie so far apart.</summary>
    private const int ValuePartner = KvCacheLayer.FeatureAlignment / 2;

    public override void StoreKeysValues(Matrix keys, Matrix values, KvCacheLayer cache, PagedBatch batch)
    {
        var share = (long)keys.Rows * keys.Columns > WorthSharing / 4;
        switch (cache.Format)
        {
            case KvCacheFormat.BFloat16: Store<BFloat16Cache>(keys, values, cache, batch, share); break;
            case KvCacheFormat.Int8: Store<Int8Cache>(keys, values, cache, batch, share); break;
            default: Store<Float32Cache>(keys, values, cache, batch, share); break;
        }
    }

    private void Store<TCache>(Matrix keys, Matrix values, KvCacheLayer cache, PagedBatch batch, bool share) where TCache : struct, ICacheFormat
    {
        var work = new StoreWork<TCache> { Keys = keys, Values = values, Cache = cache, Batch = batch };
        Pool.Run(ref work, share);
    }

    private struct StoreWork<TCache> : IParallelWork where TCache : struct, ICacheFormat
    {
        public Matrix Keys;
        public Matrix Values;
        public KvCacheLayer Cache;
        public PagedBatch Batch;

        public readonly void Run(int part, int parts)
        {
            var (from, to) = Share(Keys.Rows, part, parts);
            var size = Cache.HeadSize;
            foreach (var slice in Batch.Slices)
            {
                for (var row = Math.Max(from, slice.FirstRow); row < Math.Min(to, slice.FirstRow + slice.Rows); row++)
                {
                    var (index, slot) = Math.DivRem(slice.FirstPosition + row - slice.FirstRow, Cache.BlockSize);
                    var block = Batch.BlockTables[slice.FirstBlock + index];
                    for (var head = 0; head < Cache.Heads; head++)
                        TCache.Store(Keys.Row(row) + ((long)head * size), Values.Row(row) + ((long)head * size), Cache, block, head, slot);
                }
            }
        }
    }

    /// <summary>One way to keep keys and values; <see cref="KvCacheLayer"/> says where each number lies.</summary>
    private interface ICacheFormat
    {
        /// <summary>Whether what is loaded is still to be multiplied by the scales of its slots.</summary>
        static abstract bool HasScales { get; }

        static abstract int ElementBytes { get; }

        /// <summary>Bytes from a slot of a pair of key features to the next.</summary>
        static abstract int KeySlotBytes { get; }

        /// <summary>Two features of the keys of consecutive slots.</summary>
        static abstract void LoadKeys(byte* pair, int blockSize, out TVec even, out TVec odd);

        /// <summary>Consecutive features of a value, and those <see cref="ValuePartner"/> further on.</summary>
        static abstract void LoadValue(byte* value, int feature, out TVec first, out TVec second);

        /// <summary>Writes one head's key and value of a token. What is written depends on nothing but them.</summary>
        static abstract void Store(float* key, float* value, KvCacheLayer cache, int block, int head, int slot);
    }

    private readonly struct Float32Cache : ICacheFormat
    {
        public static bool HasScales => false;

        public static int ElementBytes => 4;

        public static int KeySlotBytes => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void LoadKeys(byte* pair, int blockSize, out TVec even, out TVec odd) =>
            (even, odd) = (TSimd.Load((float*)pair), TSimd.Load((float*)pair + blockSize));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void LoadValue(byte* value, int feature, out TVec first, out TVec second) =>
            (first, second) = (TSimd.Load((float*)value + feature), TSimd.Load((float*)value + feature + ValuePartner));

        public static void Store(float* key, float* value, KvCacheLayer cache, int block, int head, int slot)
        {
            float* k = (float*)cache.Keys(block, head) + slot, v = (float*)cache.Values(block, head) + ((long)slot * cache.PaddedHeadSize);
            for (var d = 0; d < cache.HeadSize; d++, k += cache.BlockSize)
            {
                *k = key[d];
                v[d] = value[d];
            }

            if (cache.KeySize > cache.HeadSize) *k = 0;
        }
    }

    private readonly struct BFloat16Cache : ICacheFormat
    {
        public static bool HasScales => false;

        public static int ElementBytes => 2;

        public static int KeySlotBytes => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void LoadKeys(byte* pair, int blockSize, out TVec even, out TVec odd) =>
            (even, odd) = (TSimd.LoadLowHalves((ushort*)pair), TSimd.LoadHighHalves((ushort*)pair));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void LoadValue(byte* value, int feature, out TVec first, out TVec second)
        {
            // A group of 32 features is 16 words; the feature is one of the first half of its group.
            var words = (ushort*)value + feature + (feature % ValuePartner);
            (first, second) = (TSimd.LoadLowHalves(words), TSimd.LoadHighHalves(words));
        }

        public static void Store(float* key, float* value, KvCacheLayer cache, int block, int head, int slot)
        {
            ushort* k = (ushort*)cache.Keys(block, head) + (2 * slot), v = (ushort*)cache.Values(block, head) + ((long)slot * cache.PaddedHeadSize);
            int size = cache.HeadSize, pairStride = 2 * cache.BlockSize;
            for (var d = 0; d < size; d++)
            {
                k[((d / 2) * pairStride) + (d % 2)] = BFloat16Bits.FromSingle(key[d]);
                var (group, place) = (d & -KvCacheLayer.FeatureAlignment, d % KvCacheLayer.FeatureAlignment);
                v[group + (2 * (place % ValuePartner)) + (place / ValuePartner)] = BFloat16Bits.FromSingle(value[d]);
            }

            if (cache.KeySize > size) k[((size / 2) * pairStride) + 1] = 0;
        }
    }

    private readonly struct Int8Cache : ICacheFormat
    {
        private const float Largest = 127;

        public static bool HasScales => true;

        public static int ElementBytes => 1;

        public static int KeySlotBytes => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void LoadKeys(byte* pair, int blockSize, out TVec even, out TVec odd) =>
            (even, odd) = (TSimd.LoadInt8((sbyte*)pair), TSimd.LoadInt8((sbyte*)pair + blockSize));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void LoadValue(byte* value, int feature, out TVec first, out TVec second) =>
            (first, second) = (TSimd.LoadInt8((sbyte*)value + feature), TSimd.LoadInt8((sbyte*)value + feature + ValuePartner));

        public static void Store(float* key, float* value, KvCacheLayer cache, int block, int head, int slot)
        {
            sbyte* k = (sbyte*)cache.Keys(block, head) + slot, v = (sbyte*)cache.Values(block, head) + ((long)slot * cache.PaddedHeadSize);
            float perKey = Scale(key, cache.HeadSize, cache.KeyScales(block, head) + slot);
            float perValue = Scale(value, cache.HeadSize, cache.ValueScales(block, head) + slot);
            for (var d = 0; d < cache.HeadSize; d++, k += cache.BlockSize)
            {
                *k = (sbyte)MathF.Round(key[d] * perKey);
                v[d] = (sbyte)MathF.Round(value[d] * perValue);
            }

            if (cache.KeySize > cache.HeadSize) *k = 0;
        }

        /// <summary>Writes the scale that makes the largest number of a head 127 at most, and returns its inverse.</summary>
        private static float Scale(float* x, int size, ushort* scale)
        {
            var largest = 0f;
            for (var d = 0; d < size; d++) largest = MathF.Max(largest, MathF.Abs(x[d]));

            // Rounded up: numbers are divided by the scale that is kept, so its own rounding is no error of theirs.
            *scale = (ushort)((BitConverter.SingleToUInt32Bits(largest / Largest) + 0xFFFF) >> 16);
            return largest > 0 ? 1 / BFloat16Bits.ToSingle(*scale) : 0;
        }
    }
}
