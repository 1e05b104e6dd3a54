using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Beam.ML.Vllm.Sampling;

/// <summary>Chooses the next token from the model's logits. Stateless: all that a request keeps is in its <see cref="SamplerState"/>.</summary>
internal static class Sampler
{
    /// <summary>Chooses a token and notes it in the state.</summary>
    /// <param name="logits">One logit for each token id; overwritten.</param>
    /// <param name="p">The request's parameters.</param>
    /// <param name="state">The request's state.</param>
    /// <returns>The token's id. At temperature 0 the likeliest, the lowest id among equals.</returns>
    /// <exception cref="ArgumentException">There are no logits, or none of them is a number that permits its token.</exception>
    public static int Sample(Span<float> logits, SamplingParams p, SamplerState state)
    {
        LogitFilters.Apply(logits, p, state);
        var best = ArgMax(logits);
        if (best < 0)
            throw new ArgumentException("No token can be chosen: every logit is NaN or forbidden by the sampling parameters.", nameof(logits));
        var id = p.IsGreedy || float.IsPositiveInfinity(logits[best]) ? best : Draw(logits, best, p, state);
        state.Accept(id);
        return id;
    }

    /// <summary>The index of the highest logit, the lowest index among equals; -1 if all are NaN or negative infinity.</summary>
    public static int ArgMax(ReadOnlySpan<float> logits)
    {
        var max = float.NegativeInfinity;
        var i = 0;
        if (logits.Length >= Vector<float>.Count)
        {
            var vectors = new Vector<float>(float.NegativeInfinity);
            for (; i + Vector<float>.Count <= logits.Length; i += Vector<float>.Count)
            {
                var values = new Vector<float>(logits[i..]);
                vectors = Vector.ConditionalSelect(Vector.GreaterThan(values, vectors), values, vectors);
            }
            for (var lane = 0; lane < Vector<float>.Count; lane++)
                if (vectors[lane] > max) max = vectors[lane];
        }
        for (; i < logits.Length; i++)
            if (logits[i] > max) max = logits[i];
        return float.IsNegativeInfinity(max) ? -1 : logits.IndexOf(max);
    }

    // One uniform number for a token, and candidates walked in the order of their ids: the outcome depends on nothing else.
    private static int Draw(Span<float> logits, int best, SamplingParams p, SamplerState state)
    {
        var max = logits[best];
        Exponentiate(logits, max, (float)(1 / Math.Max(p.Temperature, SamplingParams.MinTemperature)));
        if (p.MinP > 0)
            foreach (ref var weight in logits)
                if (weight < p.MinP) weight = 0;
        if (p.TopK > 0 && p.TopK < logits.Length) KeepTopK(logits, p.TopK);
        var total = Sum(logits);
        if (p.TopP < 1)
        {
            TopP.Keep(logits, p.TopP, total);
            total = Sum(logits);
        }
        var target = state.NextUniform() * total;
        var last = best;
        for (var id = 0; id < logits.Length; id++)
        {
            if (!(logits[id] > 0)) continue;
            target -= logits[id];
            last = id;
            if (target < 0) break;
        }
        return last;
    }

    // Turns logits into weights: 1 for the likeliest, 0 for what is forbidden or NaN.
    private static void Exponentiate(Span<float> logits, float max, float scale)
    {
        var i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            ref var start = ref MemoryMarshal.GetReference(logits);
            for (; i + Vector512<float>.Count <= logits.Length; i += Vector512<float>.Count)
            {
                var x = (Vector512.LoadUnsafe(ref start, (nuint)i) - Vector512.Create(max)) * scale;
                Vector512.ConditionalSelect(Vector512.GreaterThan(x, Vector512.Create(-87f)), Vector512.Exp(x), default).StoreUnsafe(ref start, (nuint)i);
            }
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            ref var start = ref MemoryMarshal.GetReference(logits);
            for (; i + Vector256<float>.Count <= logits.Length; i += Vector256<float>.Count)
            {
                var x = (Vector256.LoadUnsafe(ref start, (nuint)i) - Vector256.Create(max)) * scale;
                Vector256.ConditionalSelect(Vector256.GreaterThan(x, Vector256.Create(-87f)), Vector256.Exp(x), default).StoreUnsafe(ref start, (nuint)i);
            }
        }
        for (; i < logits.Length; i++)
        {
            var x = (logits[i] - max) * scale;
            logits[i] = x > -87f ? MathF.Exp(x) : 0;
        }
    }

    private static double Sum(ReadOnlySpan<float> weights)
    {
        var total = 0.0;
        foreach (var weight in weights) total += weight;
        return total;
    }

    // Ties with the last token kept are kept as well.
    private static void KeepTopK(Span<float> weights, int k)
    {
        var heap = ArrayPool<float>.Shared.Rent(k);
        try
        {
            var smallest = heap.AsSpan(0, k);
            weights[..k].CopyTo(smallest);
            for (var i = k / 2 - 1; i >= 0; i--) SiftDown(smallest, i);
            foreach (var weight in weights[k..])
            {
                if (weight <= smallest[0]) continue;
                smallest[0] = weight;
                SiftDown(smallest, 0);
            }
            var threshold = smallest[0];
            foreach (ref var weight in weights)
                if (weight < threshold) weight = 0;
        }
        finally
        {
            ArrayPool<float>.Shared.Return(heap);
        }
    }

    private static void SiftDown(Span<float> heap, int i)
    {
        var value = heap[i];
        for (int child; (child = 2 * i + 1) < heap.Length; i = child)
        {
            if (child + 1 < heap.Length && heap[child + 1] < heap[child]) child++;
            if (heap[child] >= value) break;
            heap[i] = heap[child];
        }
        heap[i] = value;
    }
}
