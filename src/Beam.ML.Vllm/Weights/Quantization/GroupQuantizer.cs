using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>Rounds weights to integers that share a scale, a bfloat16 number, with their group. The same on every machine.</summary>
internal static class GroupQuantizer
{
    public const int GroupSize = 32;

    /// <summary>Eight bits: the largest weight of a group becomes ±127.</summary>
    /// <remarks>Loading calls it once for each row and is over before the JIT would come back to it.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Int8(ReadOnlySpan<float> weights, Span<byte> codes, Span<float> scales)
    {
        Span<float> padded = stackalloc float[GroupSize];
        for (int first = 0, group = 0; first < weights.Length; first += GroupSize, group++)
        {
            var some = new Group(Padded(weights, first, padded));
            var scale = scales[group] = RoundUp(MathF.Abs(some.Extreme) / 127);
            some.Encode(Inverse(scale), -127, 127, codes[first..Math.Min(first + GroupSize, weights.Length)]);
        }
    }

    /// <summary>
    /// Four bits: the weight of a group that is farthest from zero becomes −8, so that all sixteen codes are used, or a little more or
    /// less, whichever errs least over the group.
    /// </summary>
    /// <inheritdoc cref="Int8" path="/remarks"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Int4(ReadOnlySpan<float> weights, Span<byte> codes, Span<float> scales)
    {
        Span<float> padded = stackalloc float[GroupSize];
        ReadOnlySpan<float> steps = [-8, -7.5f, -7, 7, -8.6f];
        for (int first = 0, group = 0; first < weights.Length; first += GroupSize, group++)
        {
            var some = new Group(Padded(weights, first, padded));

            // What is no number has no errors to compare: it stays so.
            var (best, least) = (float.NaN, float.PositiveInfinity);
            foreach (var step in steps)
            {
                var scale = BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(some.Extreme / step));
                var error = some.Error(scale, Inverse(scale), -8, 7);
                if (error < least) (best, least) = (scale, error);
            }

            scales[group] = best;
            some.Encode(Inverse(best), -8, 7, codes[first..Math.Min(first + GroupSize, weights.Length)]);
        }
    }

    /// <summary>The weights of a group, with zeros where the last one has none.</summary>
    private static ReadOnlySpan<float> Padded(ReadOnlySpan<float> weights, int first, Span<float> padded)
    {
        if (weights.Length - first >= GroupSize) return weights.Slice(first, GroupSize);
        padded.Clear();
        weights[first..].CopyTo(padded);
        return padded;
    }

    private static float Inverse(float scale) => scale == 0 ? 0 : 1 / scale;

    /// <summary>To the next bfloat16 that is not less: the largest weight must not exceed the largest code.</summary>
    private static float RoundUp(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsFinite(value) ? BitConverter.UInt32BitsToSingle((bits + 0xFFFF) & 0xFFFF0000) : float.NaN;
    }

    /// <summary>A group in four vectors.</summary>
    private readonly struct Group
    {
        private readonly Vector256<float> _a, _b, _c, _d;

        public Group(ReadOnlySpan<float> weights)
        {
            (_a, _b) = (Vector256.Create(weights), Vector256.Create(weights[8..]));
            (_c, _d) = (Vector256.Create(weights[16..]), Vector256.Create(weights[24..]));
            var most = Reduce(Vector256.Max(Vector256.Max(_a, _b), Vector256.Max(_c, _d)));
            var least = -Reduce(-Vector256.Min(Vector256.Min(_a, _b), Vector256.Min(_c, _d)));
            Extreme = most >= -least ? most : least;
            if (float.IsNaN(most)) Extreme = most;
        }

        /// <summary>The weight that is farthest from zero, with its sign; no number if one of them is none.</summary>
        public float Extreme { get; }

        /// <summary>The sum of the squares of what rounding changes.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float Error(float scale, float inverse, float from, float to)
        {
            var sum = Square(_a, scale, inverse, from, to) + Square(_b, scale, inverse, from, to);
            return Vector256.Sum(sum + Square(_c, scale, inverse, from, to) + Square(_d, scale, inverse, from, to));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Encode(float inverse, float from, float to, Span<byte> codes)
        {
            Span<int> integers = stackalloc int[GroupSize];
            Vector256.ConvertToInt32(Round(_a, inverse, from, to)).CopyTo(integers);
            Vector256.ConvertToInt32(Round(_b, inverse, from, to)).CopyTo(integers[8..]);
            Vector256.ConvertToInt32(Round(_c, inverse, from, to)).CopyTo(integers[16..]);
            Vector256.ConvertToInt32(Round(_d, inverse, from, to)).CopyTo(integers[24..]);
            var middle = (int)to + 1;
            for (var i = 0; i < codes.Length; i++) codes[i] = (byte)(integers[i] + middle);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<float> Round(Vector256<float> weights, float inverse, float from, float to) =>
            Vector256.Min(Vector256.Max(Vector256.Round(weights * inverse), Vector256.Create(from)), Vector256.Create(to));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<float> Square(Vector256<float> weights, float scale, float inverse, float from, float to)
        {
            var distance = weights - (Round(weights, inverse, from, to) * scale);
            return distance * distance;
        }

        private static float Reduce(Vector256<float> values)
        {
            var most = values[0];
            for (var i = 1; i < 8; i++) most = MathF.Max(most, values[i]);
            return most;
        }
    }
}
