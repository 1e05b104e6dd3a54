using System.Buffers;
using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Tokenizers.Text;

/// <summary>A growing list over a rented array: one per call, disposed at its end.</summary>
internal sealed class PooledList<T> : IDisposable where T : unmanaged
{
    private T[] _items;

    public PooledList(int capacity = 256) => _items = ArrayPool<T>.Shared.Rent(Math.Max(16, capacity));

    public int Count { get; private set; }

    public Span<T> Span
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _items.AsSpan(0, Count);
    }

    // Loading a vocabulary calls these a million times before the runtime would have optimized them.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(T item)
    {
        if (Count == _items.Length) Grow(1);
        _items[Count++] = item;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddRange(scoped ReadOnlySpan<T> items) => items.CopyTo(Take(items.Length));

    /// <summary>Lengthens the list and returns the new part to be written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<T> Take(int count)
    {
        if (_items.Length - Count < count) Grow(count);
        Count += count;
        return _items.AsSpan(Count - count, count);
    }

    /// <summary>Drops all but the first items.</summary>
    public void Truncate(int count) => Count = Math.Min(Count, count);

    public void Clear() => Count = 0;

    public void Dispose()
    {
        if (_items.Length == 0) return;
        ArrayPool<T>.Shared.Return(_items);
        _items = [];
        Count = 0;
    }

    private void Grow(int more)
    {
        var larger = ArrayPool<T>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max((long)Count + more, _items.Length * 2L)));
        Span.CopyTo(larger);
        ArrayPool<T>.Shared.Return(_items);
        _items = larger;
    }
}
