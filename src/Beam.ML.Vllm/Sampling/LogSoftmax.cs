using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Beam.ML.Vllm.Sampling;

/// <summary>Log probabilities from a row of logits. What comes out depends on nothing but the row.</summary>
internal static class LogSoftmax
{
    /// <summary>The likeliest so many are found by insertion; of more a heap is kept.</summary>
    private const int InsertionLimit = 64;

    /// <summary>Scores the token that stands at a position, and others beside it.</summary>
    /// <param name="logits">One logit for each token id.</param>
    /// <param name="tokenId">The token.</param>
    /// <param name="top">How many of the likeliest; -1 for all.</param>
    /// <param name="tokenIds">These instead of the likeliest.</param>
    public static LogprobsRow Row(ReadOnlySpan<float> logits, int tokenId, int top, IReadOnlyList<int>? tokenIds = null)
    {
        var normalizer = Normalizer(logits);
        var ids = tokenIds is null ? Top(logits, top < 0 ? logits.Length : Math.Min(top, logits.Length)) : [.. tokenIds];
        var values = new float[ids.Length];
        for (var i = 0; i < ids.Length; i++) values[i] = (float)(logits[ids[i]] - normalizer);
        int[]? ranks = null;
        if (tokenIds is not null)
        {
            ranks = new int[ids.Length];
            for (var i = 0; i < ids.Length; i++) ranks[i] = Rank(logits, ids[i]);
        }

        return new LogprobsRow(tokenId, (float)(logits[tokenId] - normalizer), Rank(logits, tokenId), ids, values, ranks);
    }

    /// <summary>The logarithm of the sum of all exponentials: what to subtract from a logit.</summary>
    internal static double Normalizer(ReadOnlySpan<float> logits)
    {
        var best = Sampler.ArgMax(logits);
        if (best < 0) return double.NaN;
        var max = logits[best];
        if (float.IsPositiveInfinity(max)) return double.PositiveInfinity;

        // Exponentials in single precision, their sum in double: the error does not grow with the vocabulary.
        var low = Vector256<double>.Zero;
        var high = Vector256<double>.Zero;
        ref var start = ref MemoryMarshal.GetReference(logits);
        var i = 0;
        for (; i + Vector256<float>.Count <= logits.Length; i += Vector256<float>.Count)
        {
            var (a, b) = Vector256.Widen(Vector256.Exp(Vector256.LoadUnsafe(ref start, (nuint)i) - Vector256.Create(max)));
            low += a;
            high += b;
        }

        var sum = Vector256.Sum(low + high);
        for (; i < logits.Length; i++) sum += MathF.Exp(logits[i] - max);
        return max + Math.Log(sum);
    }

    private static int Rank(ReadOnlySpan<float> logits, int tokenId)
    {
        var value = logits[tokenId];
        return 1 + CountAbove(logits[..tokenId], value, orEqual: true) + CountAbove(logits[(tokenId + 1)..], value, orEqual: false);
    }

    private static int CountAbove(ReadOnlySpan<float> logits, float value, bool orEqual)
    {
        ref var start = ref MemoryMarshal.GetReference(logits);
        var bound = Vector256.Create(value);
        var counts = Vector256<int>.Zero;
        var i = 0;
        for (; i + Vector256<float>.Count <= logits.Length; i += Vector256<float>.Count)
        {
            var lanes = Vector256.LoadUnsafe(ref start, (nuint)i);

            // All bits of a lane that passes are set, which is -1.
            counts -= (orEqual ? Vector256.GreaterThanOrEqual(lanes, bound) : Vector256.GreaterThan(lanes, bound)).AsInt32();
        }

        var count = Vector256.Sum(counts);
        for (; i < logits.Length; i++) count += logits[i] > value || (orEqual && logits[i] == value) ? 1 : 0;
        return count;
    }

    /// <summary>The ids of the highest logits, best first, of equals the lower id first.</summary>
    private static int[] Top(ReadOnlySpan<float> logits, int count)
    {
        if (count == 0) return [];
        return count <= InsertionLimit ? TopByInsertion(logits, count) : TopByHeap(logits, count);
    }

    private static int[] TopByInsertion(ReadOnlySpan<float> logits, int count)
    {
        var ids = new int[count];
        Span<float> values = stackalloc float[InsertionLimit];
        var found = 0;
        ref var start = ref MemoryMarshal.GetReference(logits);
        for (var id = 0; id < logits.Length; id++)
        {
            // Most of a vocabulary is below the worst that was kept.
            while (found == count && id + Vector256<float>.Count <= logits.Length
                   && !Vector256.GreaterThanAny(Vector256.LoadUnsafe(ref start, (nuint)id), Vector256.Create(values[count - 1])))
                id += Vector256<float>.Count;
            if (id == logits.Length) break;
            var value = logits[id];
            if (found == count && !(value > values[count - 1])) continue;
            var place = found < count ? found++ : count - 1;
            for (; place > 0 && !(values[place - 1] >= value); place--)
            {
                values[place] = values[place - 1];
                ids[place] = ids[place - 1];
            }

            (values[place], ids[place]) = (value, id);
        }

        return ids;
    }

    /// <summary>Those found so far are a heap with the worst of them at its root; where all are asked for that is nothing but a sort.</summary>
    private static int[] TopByHeap(ReadOnlySpan<float> logits, int count)
    {
        var rented = ArrayPool<(float Logit, int Id)>.Shared.Rent(count);
        try
        {
            var heap = rented.AsSpan(0, count);
            for (var i = 0; i < count; i++) heap[i] = (logits[i], i);

            // What is sorted is a heap.
            if (count < logits.Length) heap.Sort(static (a, b) => BestFirst(b, a));
            ref var start = ref MemoryMarshal.GetReference(logits);
            for (var id = count; id < logits.Length; id++)
            {
                // Most of a vocabulary is no better than the worst that was kept, and of equals the one that came first stays.
                while (id + Vector256<float>.Count <= logits.Length
                       && Vector256.LessThanOrEqualAll(Vector256.LoadUnsafe(ref start, (nuint)id), Vector256.Create(heap[0].Logit)))
                    id += Vector256<float>.Count;
                if (id < logits.Length && BestFirst((logits[id], id), heap[0]) < 0) ReplaceWorst(heap, (logits[id], id));
            }

            heap.Sort(static (a, b) => BestFirst(a, b));
            var ids = new int[count];
            for (var i = 0; i < count; i++) ids[i] = heap[i].Id;
            return ids;
        }
        finally
        {
            ArrayPool<(float, int)>.Shared.Return(rented);
        }
    }

    private static void ReplaceWorst(Span<(float Logit, int Id)> heap, (float Logit, int Id) better)
    {
        var place = 0;
        for (int child; (child = (2 * place) + 1) < heap.Length; place = child)
        {
            if (child + 1 < heap.Length && BestFirst(heap[child], heap[child + 1]) < 0) child++;
            if (BestFirst(better, heap[child]) >= 0) break;
            heap[place] = heap[child];
        }

        heap[place] = better;
    }

    /// <summary>Higher logits first, what is not a number last, of equals the lower id first.</summary>
    private static int BestFirst((float Logit, int Id) a, (float Logit, int Id) b) =>
        a.Logit == b.Logit ? a.Id.CompareTo(b.Id) : b.Logit.CompareTo(a.Logit) is var order and not 0 ? order : a.Id.CompareTo(b.Id);
}
