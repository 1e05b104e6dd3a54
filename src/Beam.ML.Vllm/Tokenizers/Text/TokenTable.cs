using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Tokenizers.Text;

/// <summary>
/// A vocabulary: tokens as UTF-8 in one pool, found by id or by content. Flat arrays and an open-addressing hash, because
/// vocabularies have hundreds of thousands of entries and an object for each is what makes loading slow.
/// </summary>
internal sealed class TokenTable
{
    /// <summary>Ids from here on are refused: no vocabulary is near it, and tables are as long as the highest id.</summary>
    public const int MaxId = 1 << 24;

    private readonly SeededHash _hash = SeededHash.Create();
    private byte[] _pool;
    private int _poolLength;
    private (int Start, int Length)[] _tokens;
    private (int Id, uint Hash)[] _slots;
    private int _used;

    public TokenTable(int expectedTokens = 1024, int expectedBytes = 16 * 1024)
    {
        _pool = new byte[expectedBytes];
        _tokens = new (int, int)[expectedTokens];
        _slots = NewSlots(expectedTokens * 2);
    }

    /// <summary>One more than the highest id.</summary>
    public int Count { get; private set; }

    public int MaxTokenLength { get; private set; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Has(int id) => (uint)id < (uint)Count && _tokens[id].Length >= 0 && _tokens[id].Start >= 0;

    /// <summary>The token's bytes; empty for an id that no token has.</summary>
    public ReadOnlySpan<byte> this[int id]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Has(id) ? _pool.AsSpan(_tokens[id].Start, _tokens[id].Length) : default;
    }

    /// <summary>Adds a token. The first of two equal tokens keeps the content; both keep their ids. Returns false if the content was there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool Add(int id, ReadOnlySpan<byte> token, bool findable = true)
    {
        if ((uint)id >= MaxId) throw new TokenizerException($"Token id {id} is outside 0 … {MaxId - 1}.");
        if (id >= _tokens.Length) Array.Resize(ref _tokens, Math.Max(id + 1, _tokens.Length * 2));
        for (; Count <= id; Count++) _tokens[Count] = (-1, -1);
        if (_pool.Length - _poolLength < token.Length)
            Array.Resize(ref _pool, (int)Math.Min(Array.MaxLength, Math.Max((long)_poolLength + token.Length, _pool.Length * 2L)));
        token.CopyTo(_pool.AsSpan(_poolLength));
        _tokens[id] = (_poolLength, token.Length);
        _poolLength += token.Length;
        MaxTokenLength = Math.Max(MaxTokenLength, token.Length);
        return !findable || Insert(id, token);
    }

    /// <summary>The id of a token, or -1.</summary>
    // Loading calls these a million times before the runtime would have optimized them.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public int Find(ReadOnlySpan<byte> token) => token.Length > MaxTokenLength ? -1 : Find(token, _hash.Of(token));

    /// <summary>As above, with what <see cref="HashOf"/> gave.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public int Find(ReadOnlySpan<byte> token, uint hash)
    {
        var mask = _slots.Length - 1;
        for (var i = (int)hash & mask; ; i = (i + 1) & mask)
        {
            var slot = _slots[i];
            if (slot.Id < 0) return -1;
            if (slot.Hash == hash && this[slot.Id].SequenceEqual(token)) return slot.Id;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public uint HashOf(ReadOnlySpan<byte> token) => _hash.Of(token);

    /// <summary>Has the processor fetch what <see cref="Find(ReadOnlySpan{byte}, uint)"/> looks at first; 1 and 2 fetch what that leads to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public unsafe void Prefetch(uint hash, int step)
    {
        if (!Sse.IsSupported) return;
        ref var slot = ref _slots[(int)hash & (_slots.Length - 1)];
        if (step == 0)
        {
            Sse.Prefetch0(Unsafe.AsPointer(ref slot));
            return;
        }

        if (slot.Id < 0) return;
        ref var token = ref _tokens[slot.Id];
        if (step == 1) Sse.Prefetch0(Unsafe.AsPointer(ref token));
        else if (token.Length > 0) Sse.Prefetch0(Unsafe.AsPointer(ref _pool[token.Start]));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool Insert(int id, ReadOnlySpan<byte> token)
    {
        if (_used * 2 >= _slots.Length) Rehash();
        var hash = _hash.Of(token);
        var mask = _slots.Length - 1;
        var i = (int)hash & mask;
        for (; _slots[i].Id >= 0; i = (i + 1) & mask)
            if (_slots[i].Hash == hash && _slots[i].Id != id && this[_slots[i].Id].SequenceEqual(token)) return false;
        _slots[i] = (id, hash);
        _used++;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Rehash()
    {
        var old = _slots;
        _slots = NewSlots(old.Length * 2);
        var mask = _slots.Length - 1;
        foreach (var slot in old)
        {
            if (slot.Id < 0) continue;
            var i = (int)slot.Hash & mask;
            while (_slots[i].Id >= 0) i = (i + 1) & mask;
            _slots[i] = slot;
        }
    }

    private static (int, uint)[] NewSlots(int atLeast)
    {
        var slots = new (int, uint)[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, atLeast))];
        slots.AsSpan().Fill((-1, 0));
        return slots;
    }
}

/// <summary>A hash of short byte strings with a secret, so that a file cannot be written to collide.</summary>
internal readonly struct SeededHash(ulong seed)
{
    public static SeededHash Create() => new((ulong)Random.Shared.NextInt64() | 1);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public uint Of(ReadOnlySpan<byte> bytes)
    {
        var state = seed ^ (ulong)bytes.Length * 0x9E3779B97F4A7C15;
        while (bytes.Length > 8)
        {
            state = Mix(state ^ MemoryMarshal.Read<ulong>(bytes));
            bytes = bytes[8..];
        }
        ulong tail = 0;
        if (bytes.Length == 8) tail = MemoryMarshal.Read<ulong>(bytes);
        else
            for (var i = 0; i < bytes.Length; i++) tail |= (ulong)bytes[i] << (i * 8);
        state = Mix(state ^ tail);
        return (uint)(state ^ (state >> 32));
    }

    public uint Of(ulong value)
    {
        var state = Mix(seed ^ value);
        return (uint)(state ^ (state >> 32));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong Mix(ulong value)
    {
        var high = Math.BigMul(value ^ 0xA0761D6478BD642F, seed ^ 0xE7037ED1A0B428DB, out var low);
        return high ^ low;
    }
}
