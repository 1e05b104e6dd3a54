namespace Beam.ML.Vllm.Tokenizers.Text;

/// <summary>
/// Remembers the ids of words already split. Direct-mapped: a word overwrites the one in its slot, so memory is bounded, and
/// an entry is an immutable object behind one reference, so threads share the cache without a lock.
/// </summary>
internal sealed class WordCache
{
    public const int MaxWordLength = 64;
    private const int Slots = 1 << 15;

    private readonly SeededHash _hash = SeededHash.Create();
    private readonly Entry?[] _entries = new Entry?[Slots];

    private sealed record Entry(byte[] Word, int[] Ids);

    public bool TryGet(ReadOnlySpan<byte> word, out ReadOnlySpan<int> ids, out int slot)
    {
        slot = (int)(_hash.Of(word) & (Slots - 1));
        var entry = Volatile.Read(ref _entries[slot]);
        var found = entry is not null && word.SequenceEqual(entry.Word);
        ids = found ? entry!.Ids : default;
        return found;
    }

    public void Set(int slot, ReadOnlySpan<byte> word, ReadOnlySpan<int> ids) =>
        Volatile.Write(ref _entries[slot], new Entry(word.ToArray(), ids.ToArray()));
}
