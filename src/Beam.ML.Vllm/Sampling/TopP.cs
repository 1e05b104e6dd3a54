using System.Buffers;

namespace Beam.ML.Vllm.Sampling;

/// <summary>
/// Keeps the likeliest tokens that sum up to a share of the whole. The place of the cut is found by a histogram of the weights, and only
/// the tokens of the bucket that it falls into are put in order.
/// </summary>
internal static class TopP
{
    // Weights are in (0, 1], where the bits of a float are in the order of its value: a bucket is a 128th of an octave.
    private const int BucketShift = 16;

    private static readonly int One = BitConverter.SingleToInt32Bits(1f);

    /// <summary>Sets the weights of all other tokens to 0. Of equal weights the lower ids are likelier.</summary>
    /// <param name="weights">A weight for each token, at most 1; 0 for what cannot be chosen.</param>
    /// <param name="topP">The share, in (0, 1).</param>
    /// <param name="total">The sum of all weights.</param>
    /// <returns>The number of tokens that had to be put in order.</returns>
    public static int Keep(Span<float> weights, double topP, double total)
    {
        // Tokens this improbable cannot make up the part that is cut off even together.
        var floor = Math.Max(float.Epsilon, AtLeast((1 - topP) * total / weights.Length));
        var buckets = ArrayPool<double>.Shared.Rent(BucketOf(floor) + 1);
        try
        {
            var sums = buckets.AsSpan(0, BucketOf(floor) + 1);
            sums.Clear();
            foreach (var weight in weights)
                if (weight >= floor) sums[BucketOf(weight)] += weight;

            var (kept, limit, cut) = (0.0, topP * total, 0);
            while (cut < sums.Length && kept + sums[cut] < limit) kept += sums[cut++];

            // What is above the bucket of the cut stays, what is below goes.
            var (low, high) = (cut == sums.Length ? floor : Math.Max(floor, LowestOf(cut)), cut == 0 ? float.PositiveInfinity : LowestOf(cut - 1));
            var inBucket = 0;
            foreach (ref var weight in weights)
            {
                if (weight < low) weight = 0;
                else if (weight < high) inBucket++;
            }

            if (cut < sums.Length) CutBucket(weights, low, high, inBucket, kept, limit);
            return cut < sums.Length ? inBucket : 0;
        }
        finally
        {
            ArrayPool<double>.Shared.Return(buckets);
        }
    }

    private static void CutBucket(Span<float> weights, float low, float high, int count, double kept, double limit)
    {
        var keys = ArrayPool<ulong>.Shared.Rent(count);
        try
        {
            var sorted = keys.AsSpan(0, count);
            for (int id = 0, i = 0; i < count; id++)
                if (weights[id] >= low && weights[id] < high) sorted[i++] = KeyOf(weights[id], id);
            sorted.Sort();
            foreach (var key in sorted)
            {
                ref var weight = ref weights[(int)(uint)key];
                var next = kept + weight;
                if (kept >= limit) weight = 0;
                kept = next;
            }
        }
        finally
        {
            ArrayPool<ulong>.Shared.Return(keys);
        }
    }

    /// <summary>Greater weights first, and of equals lower ids.</summary>
    private static ulong KeyOf(float weight, int id) => ((ulong)(uint)(int.MaxValue - BitConverter.SingleToInt32Bits(weight)) << 32) | (uint)id;

    private static int BucketOf(float weight) => Math.Max(0, One - BitConverter.SingleToInt32Bits(weight)) >> BucketShift;

    private static float LowestOf(int bucket) => BitConverter.Int32BitsToSingle(Math.Max(1, One - ((bucket + 1) << BucketShift) + 1));

    /// <summary>The least float that is no less than a number.</summary>
    private static float AtLeast(double value) => (float)value >= value ? (float)value : MathF.BitIncrement((float)value);
}
