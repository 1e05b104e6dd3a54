using System.Runtime.CompilerServices;
using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>Rounds weights to integers that share a scale, a bfloat16 number, with their group.</summary>
internal static class GroupQuantizer
{
    public const int GroupSize = 32;

    /// <summary>Eight bits: the largest weight of a group becomes ±127.</summary>
    /// <remarks>Loading calls it once for each row and is over before the JIT would come back to it.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Int8(ReadOnlySpan<float> weights, Span<byte> codes, Span<float> scales)
    {
        for (int first = 0, group = 0; first < weights.Length; first += GroupSize, group++)
        {
            var some = weights[first..Math.Min(first + GroupSize, weights.Length)];
            var scale = scales[group] = RoundUp(MathF.Abs(Extreme(some)) / 127);
            var inverse = scale == 0 ? 0 : 1 / scale;
            for (var i = 0; i < some.Length; i++) codes[first + i] = (byte)(Code(some[i] * inverse, 127) + 128);
        }
    }

    /// <summary>
    /// Four bits: the weight of a group that is farthest from zero becomes −8, so that all sixteen codes are used; or 7.5 of a scale that
    /// is a little larger, whichever errs less over the group.
    /// </summary>
    /// <inheritdoc cref="Int8" path="/remarks"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Int4(ReadOnlySpan<float> weights, Span<byte> codes, Span<float> scales)
    {
        for (int first = 0, group = 0; first < weights.Length; first += GroupSize, group++)
        {
            var some = weights[first..Math.Min(first + GroupSize, weights.Length)];
            var scale = scales[group] = BestScale(some, Extreme(some));
            var inverse = scale == 0 ? 0 : 1 / scale;
            for (var i = 0; i < some.Length; i++) codes[first + i] = (byte)(Code4(some[i] * inverse) + 8);
        }
    }

    private static float BestScale(ReadOnlySpan<float> weights, float extreme)
    {
        var (best, least) = (0f, float.PositiveInfinity);
        ReadOnlySpan<float> steps = [-8, -7.5f, -7, 7, -8.6f];
        foreach (var step in steps)
        {
            var scale = BFloat16Bits.ToSingle(BFloat16Bits.FromSingle(extreme / step));
            var inverse = scale == 0 ? 0 : 1 / scale;
            var error = 0f;
            foreach (var weight in weights)
            {
                var distance = weight - (scale * Code4(weight * inverse));
                error += distance * distance;
            }

            if (error < least) (best, least) = (scale, error);
        }

        // What has no error to compare has no numbers: it stays so.
        return float.IsPositiveInfinity(least) ? float.NaN : best;
    }

    /// <summary>The weight that is farthest from zero, with its sign.</summary>
    private static float Extreme(ReadOnlySpan<float> weights)
    {
        var extreme = 0f;
        foreach (var weight in weights)
        {
            if (!(MathF.Abs(weight) <= MathF.Abs(extreme))) extreme = weight;
            if (float.IsNaN(weight)) return weight;
        }

        return extreme;
    }

    private static int Code(float value, int limit) => (int)Math.Clamp(MathF.Round(value), -limit, limit);

    private static int Code4(float value) => (int)Math.Clamp(MathF.Round(value), -8, 7);

    /// <summary>To the next bfloat16 that is not less: the largest weight must not exceed the largest code.</summary>
    private static float RoundUp(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsFinite(value) ? BitConverter.UInt32BitsToSingle((bits + 0xFFFF) & 0xFFFF0000) : float.NaN;
    }
}
