using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Bpe;

/// <summary>Merges by pair of ids, in one open-addressing hash.</summary>
internal sealed class PairTable
{
    [StructLayout(LayoutKind.Sequential)]
    private struct Slot
    {
        public ulong Key;
        public int Rank;
        public int Id;
    }

    private const int Ahead = 16;

    private readonly SeededHash _hash = SeededHash.Create();
    private readonly Slot[] _slots;

    /// <summary>Builds the table; a later merge of a pair takes an earlier one's place, as in the reference library.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public PairTable(ReadOnlySpan<(int Left, int Right, int Id)> merges)
    {
        _slots = new Slot[BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, merges.Length * 2))];
        for (var rank = 0; rank < merges.Length; rank++)
        {
            // The table is larger than the caches: memory answers while other merges are entered.
            if (Sse.IsSupported && rank + Ahead < merges.Length) Prefetch(merges[rank + Ahead]);
            var (left, right, id) = merges[rank];
            _slots[Find(Key(left, right))] = new Slot { Key = Key(left, right), Rank = rank, Id = id };
        }
    }

    private unsafe void Prefetch((int Left, int Right, int Id) merge) =>
        Sse.Prefetch0(Unsafe.AsPointer(ref _slots[(int)_hash.Of(Key(merge.Left, merge.Right)) & (_slots.Length - 1)]));

    public bool TryGet(int left, int right, out int rank, out int id)
    {
        ref readonly var slot = ref _slots[Find(Key(left, right))];
        (rank, id) = (slot.Rank, slot.Id);
        return slot.Key != 0;
    }

    // Never 0, which marks an empty slot.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Key(int left, int right) => (ulong)(uint)(left + 1) << 32 | (uint)right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Find(ulong key)
    {
        var mask = _slots.Length - 1;
        var i = (int)_hash.Of(key) & mask;
        while (_slots[i].Key != key && _slots[i].Key != 0) i = (i + 1) & mask;
        return i;
    }
}
