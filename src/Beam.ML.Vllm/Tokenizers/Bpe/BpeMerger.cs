using System.Buffers;
using System.Runtime.InteropServices;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Bpe;

/// <summary>A part of the text on the way to being a token.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct BpeSymbol
{
    public int Start;
    public int Length;
    /// <summary>The token, or -1 if the vocabulary lacks it.</summary>
    public int Id;
}

/// <summary>Which neighbours may merge, in what order, into what.</summary>
internal interface IMergeRules
{
    bool TryMerge(in BpeSymbol left, in BpeSymbol right, out int rank, out int id);
}

/// <summary>
/// Byte-pair merging: while any neighbours may merge, the pair of the lowest rank does, the leftmost among equals.
/// Words merge by scanning; long runs by a heap over a linked list, in O(n log n).
/// </summary>
internal static class BpeMerger
{
    private const int ScanLimit = 24;

    /// <summary>Merges in place; the first symbols of the span, as many as returned, are the result.</summary>
    public static int Merge<TRules>(Span<BpeSymbol> symbols, ref TRules rules) where TRules : struct, IMergeRules, allows ref struct =>
        symbols.Length <= ScanLimit ? Scan(symbols, ref rules) : Heap(symbols, ref rules);

    private static int Scan<TRules>(Span<BpeSymbol> symbols, ref TRules rules) where TRules : struct, IMergeRules, allows ref struct
    {
        Span<int> ranks = stackalloc int[ScanLimit];
        Span<int> ids = stackalloc int[ScanLimit];
        var count = symbols.Length;
        for (var i = 0; i + 1 < count; i++) Rate(symbols, i, ranks, ids, ref rules);
        while (count > 1)
        {
            var best = 0;
            for (var i = 1; i + 1 < count; i++)
                if (ranks[i] < ranks[best]) best = i;
            if (ranks[best] == int.MaxValue) break;
            symbols[best].Length += symbols[best + 1].Length;
            symbols[best].Id = ids[best];
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            count--;
            for (var i = best + 1; i + 1 < count; i++) (ranks[i], ids[i]) = (ranks[i + 1], ids[i + 1]);
            if (best > 0) Rate(symbols, best - 1, ranks, ids, ref rules);
            if (best + 1 < count) Rate(symbols, best, ranks, ids, ref rules);
        }
        return count;
    }

    private static void Rate<TRules>(Span<BpeSymbol> symbols, int i, scoped Span<int> ranks, scoped Span<int> ids, ref TRules rules)
        where TRules : struct, IMergeRules, allows ref struct
    {
        if (rules.TryMerge(symbols[i], symbols[i + 1], out var rank, out var id)) (ranks[i], ids[i]) = (rank, id);
        else ranks[i] = int.MaxValue;
    }

    // An entry is stale once its pair has changed: the pair's length then differs, because symbols only ever grow.
    [StructLayout(LayoutKind.Auto)]
    private record struct Candidate(int Rank, int Left, int Length, int Id)
    {
        public readonly bool Before(in Candidate other) => Rank != other.Rank ? Rank < other.Rank : Left < other.Left;
    }

    private static int Heap<TRules>(Span<BpeSymbol> symbols, ref TRules rules) where TRules : struct, IMergeRules, allows ref struct
    {
        var count = symbols.Length;
        var links = ArrayPool<(int Previous, int Next)>.Shared.Rent(count);
        using var heap = new PooledList<Candidate>(count);
        try
        {
            for (var i = 0; i < count; i++) links[i] = (i - 1, i + 1 < count ? i + 1 : -1);
            for (var i = 0; i + 1 < count; i++) Offer(symbols, i, i + 1, heap, ref rules);
            while (heap.Count > 0)
            {
                var top = Pop(heap);
                var left = top.Left;
                if (symbols[left].Length == 0 || links[left].Next is not (>= 0 and var right)) continue;
                if (symbols[left].Length + symbols[right].Length != top.Length) continue;
                symbols[left].Length = top.Length;
                symbols[left].Id = top.Id;
                symbols[right].Length = 0;
                var after = links[right].Next;
                links[left].Next = after;
                if (after >= 0)
                {
                    links[after].Previous = left;
                    Offer(symbols, left, after, heap, ref rules);
                }
                if (links[left].Previous is >= 0 and var before) Offer(symbols, before, left, heap, ref rules);
            }
        }
        finally
        {
            ArrayPool<(int, int)>.Shared.Return(links);
        }
        var kept = 0;
        foreach (var symbol in symbols)
            if (symbol.Length > 0) symbols[kept++] = symbol;
        return kept;
    }

    private static void Offer<TRules>(Span<BpeSymbol> symbols, int left, int right, PooledList<Candidate> heap, ref TRules rules)
        where TRules : struct, IMergeRules, allows ref struct
    {
        if (!rules.TryMerge(symbols[left], symbols[right], out var rank, out var id)) return;
        heap.Add(default);
        var items = heap.Span;
        var entry = new Candidate(rank, left, symbols[left].Length + symbols[right].Length, id);
        var i = items.Length - 1;
        while (i > 0 && entry.Before(items[(i - 1) / 2]))
        {
            items[i] = items[(i - 1) / 2];
            i = (i - 1) / 2;
        }
        items[i] = entry;
    }

    private static Candidate Pop(PooledList<Candidate> heap)
    {
        var items = heap.Span;
        var top = items[0];
        var last = items[^1];
        heap.Truncate(items.Length - 1);
        var n = items.Length - 1;
        if (n == 0) return top;
        var i = 0;
        while (true)
        {
            var child = 2 * i + 1;
            if (child >= n) break;
            if (child + 1 < n && items[child + 1].Before(items[child])) child++;
            if (!items[child].Before(last)) break;
            items[i] = items[child];
            i = child;
        }
        items[i] = last;
        return top;
    }
}
