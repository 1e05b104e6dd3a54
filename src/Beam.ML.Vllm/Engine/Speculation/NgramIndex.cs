namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Where each run of a few tokens stood last in a growing text: one hash table of positions for each length. A token costs the same
/// however long the text is, and takes at most 16 bytes for each length.
/// </summary>
internal sealed class NgramIndex(int shortest, int longest)
{
    private const int InitialSlots = 64;

    // A slot has one more than the position of the run's last token, 0 while it is empty; tables are at most half full.
    private readonly int[][] _tables = [.. Enumerable.Range(shortest, longest - shortest + 1).Select(_ => new int[InitialSlots])];
    private readonly ulong[] _hashes = new ulong[longest + 1];
    private int _indexed;

    /// <summary>
    /// The position after the last earlier occurrence of the longest run that the text ends with; -1 if there is none.
    /// The text is the one of the last call with tokens added.
    /// </summary>
    public int FindContinuation(ReadOnlySpan<int> text)
    {
        var last = text.Length - 1;
        for (; _indexed < last; _indexed++) Insert(text, _indexed);
        if (last < 0) return -1;
        Hash(text, last);
        for (var length = Math.Min(longest, text.Length); length >= shortest; length--)
        {
            var table = _tables[length - shortest];
            if (table[Slot(table, text, last, length)] is var found and > 0) return found;
        }

        return -1;
    }

    /// <summary>Notes the runs that end at a position.</summary>
    private void Insert(ReadOnlySpan<int> text, int end)
    {
        Hash(text, end);
        for (var length = shortest; length <= Math.Min(longest, end + 1); length++)
        {
            ref var table = ref _tables[length - shortest];
            if (2 * (end + 1) > table.Length) Grow(ref table, text, length);
            table[Slot(table, text, end, length)] = end + 1;
        }
    }

    /// <summary>The hashes of all runs that end at a position, by length.</summary>
    private void Hash(ReadOnlySpan<int> text, int end)
    {
        var hash = 0xCBF29CE484222325UL;
        for (var length = 1; length <= Math.Min(longest, end + 1); length++)
        {
            hash = (hash ^ (uint)text[end + 1 - length]) * 0x9E3779B97F4A7C15UL;
            hash ^= hash >> 29;
            _hashes[length] = hash;
        }
    }

    /// <summary>The slot of a run whose hash has been computed, or the empty one that it would have.</summary>
    private int Slot(int[] table, ReadOnlySpan<int> text, int end, int length)
    {
        var run = text.Slice(end + 1 - length, length);
        var slot = (int)(_hashes[length] >> 32) & (table.Length - 1);
        while (table[slot] != 0 && !text.Slice(table[slot] - length, length).SequenceEqual(run)) slot = (slot + 1) & (table.Length - 1);
        return slot;
    }

    private void Grow(ref int[] table, ReadOnlySpan<int> text, int length)
    {
        var smaller = table;
        table = new int[2 * smaller.Length];
        var current = _hashes[length];
        foreach (var position in smaller)
        {
            if (position == 0) continue;
            _hashes[length] = HashOf(text.Slice(position - length, length));
            table[Slot(table, text, position - 1, length)] = position;
        }

        _hashes[length] = current;
    }

    private static ulong HashOf(ReadOnlySpan<int> run)
    {
        var hash = 0xCBF29CE484222325UL;
        for (var i = run.Length - 1; i >= 0; i--)
        {
            hash = (hash ^ (uint)run[i]) * 0x9E3779B97F4A7C15UL;
            hash ^= hash >> 29;
        }

        return hash;
    }
}
