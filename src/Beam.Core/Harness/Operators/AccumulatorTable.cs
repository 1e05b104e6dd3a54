using System.Runtime.CompilerServices;
using Beam.Coders;

namespace Beam.Harness;

/// <summary>What is combined so far of a key in a window.</summary>
internal struct PartialResult<TKey, TAccumulator>
{
    public TKey Key;
    public BoundedWindow Window;
    public Timestamp Timestamp;
    public TAccumulator Accumulator;
}

/// <summary>
/// A bounded hash table of accumulators. Entries lie one after another in an array and the table holds their positions, so that
/// draining it is a walk over the array.
/// </summary>
internal abstract class AccumulatorTable<TKey, TAccumulator>(int capacity)
{
    private protected PartialResult<TKey, TAccumulator>[] Entries = new PartialResult<TKey, TAccumulator>[Math.Min(capacity, 64)];
    private protected int Count;

    public bool IsFull => Count == capacity;

    /// <summary>The entry of a key in a window, which is empty but for key and window if it was not there. Valid until the next call.</summary>
    public abstract ref PartialResult<TKey, TAccumulator> Find(TKey key, BoundedWindow window, out bool exists);

    /// <summary>Everything that was in the table, which is empty afterwards. Valid until the next call.</summary>
    public Span<PartialResult<TKey, TAccumulator>> Drain()
    {
        var drained = Entries.AsSpan(0, Count);
        if (Count != 0) Entries = new PartialResult<TKey, TAccumulator>[Entries.Length];
        Count = 0;
        ClearIndex();
        return drained;
    }

    public void Clear() => Drain();

    private protected abstract void ClearIndex();

    private protected ref PartialResult<TKey, TAccumulator> Append(TKey key, BoundedWindow window)
    {
        if (Count == Entries.Length) Array.Resize(ref Entries, Math.Min(capacity, Entries.Length * 2));
        ref var entry = ref Entries[Count++];
        entry.Key = key;
        entry.Window = window;
        return ref entry;
    }
}

/// <summary>Makes the table that suits a type of keys.</summary>
internal static class AccumulatorTable
{
    private const int Capacity = 1 << 15;

    /// <summary>Keys are equal when their encodings are. For the types here equality says the same, and is cheaper.</summary>
    public static AccumulatorTable<TKey, TAccumulator> Create<TKey, TAccumulator>(Coder<TKey> keyCoder, Coder windowCoder) =>
        IsComparable(typeof(TKey))
            ? new ByValue<TKey, TAccumulator>(Capacity)
            : new ByEncoding<TKey, TAccumulator>(Capacity, keyCoder, windowCoder);

    private static bool IsComparable(Type type) =>
        type == typeof(string) || type == typeof(bool) || type == typeof(char) || type == typeof(byte) || type == typeof(sbyte)
        || type == typeof(short) || type == typeof(ushort) || type == typeof(int) || type == typeof(uint) || type == typeof(long) || type == typeof(ulong);

    private readonly struct Slot<TKey>(TKey key, BoundedWindow window) : IEquatable<Slot<TKey>>
    {
        private readonly TKey _key = key;
        private readonly BoundedWindow _window = window;

        public bool Equals(Slot<TKey> other) =>
            EqualityComparer<TKey>.Default.Equals(_key, other._key) && (ReferenceEquals(_window, other._window) || _window.Equals(other._window));

        public override bool Equals(object? obj) => obj is Slot<TKey> other && Equals(other);

        public override int GetHashCode()
        {
            var hash = _key is null ? 0 : EqualityComparer<TKey>.Default.GetHashCode(_key);
            return ReferenceEquals(_window, GlobalWindow.Instance) ? hash : HashCode.Combine(hash, _window);
        }
    }

    private sealed class ByValue<TKey, TAccumulator>(int capacity) : AccumulatorTable<TKey, TAccumulator>(capacity)
    {
        private readonly Dictionary<Slot<TKey>, int> _index = [];

        public override ref PartialResult<TKey, TAccumulator> Find(TKey key, BoundedWindow window, out bool exists)
        {
            ref var position = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_index, new Slot<TKey>(key, window), out exists);
            if (exists) return ref Entries[position];
            position = Count;
            return ref Append(key, window);
        }

        private protected override void ClearIndex() => _index.Clear();
    }

    private sealed class ByEncoding<TKey, TAccumulator> : AccumulatorTable<TKey, TAccumulator>
    {
        private readonly Coder<TKey> _keyCoder;
        private readonly Coder _windowCoder;
        private readonly CoderWriter _scratch = new(128);
        private readonly Dictionary<byte[], int> _index = new(BytesComparer.Instance);
        private readonly Dictionary<byte[], int>.AlternateLookup<ReadOnlySpan<byte>> _lookup;

        public ByEncoding(int capacity, Coder<TKey> keyCoder, Coder windowCoder) : base(capacity)
        {
            _keyCoder = keyCoder;
            _windowCoder = windowCoder;
            _lookup = _index.GetAlternateLookup<ReadOnlySpan<byte>>();
        }

        public override ref PartialResult<TKey, TAccumulator> Find(TKey key, BoundedWindow window, out bool exists)
        {
            _scratch.Reset();
            _keyCoder.Encode(key, _scratch, nested: true);
            if (window is not GlobalWindow) _windowCoder.EncodeObject(window, _scratch, nested: true);
            ref var position = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_lookup, _scratch.WrittenSpan, out exists);
            if (exists) return ref Entries[position];
            position = Count;
            return ref Append(key, window);
        }

        private protected override void ClearIndex() => _index.Clear();
    }
}

/// <summary>Byte strings by their content.</summary>
internal sealed class BytesComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
{
    public static readonly BytesComparer Instance = new();

    public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

    public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

    public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

    public int GetHashCode(ReadOnlySpan<byte> alternate)
    {
        var hash = new HashCode();
        hash.AddBytes(alternate);
        return hash.ToHashCode();
    }

    public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
}
