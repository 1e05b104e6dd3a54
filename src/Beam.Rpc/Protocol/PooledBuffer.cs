using System.Buffers;

namespace Beam.Rpc.Protocol;

/// <summary>A growing byte buffer on pooled arrays. <see cref="Release"/> gives the array back and leaves it empty for reuse.</summary>
internal sealed class PooledBuffer : IBufferWriter<byte>
{
    private const int InitialSize = 256;

    private byte[] _array = [];

    public int Length { get; private set; }
    public ReadOnlyMemory<byte> Written => _array.AsMemory(0, Length);
    public Span<byte> WrittenSpan => _array.AsSpan(0, Length);

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)(_array.Length - Length), nameof(count));
        Length += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _array.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <summary>Makes room for <paramref name="count"/> more bytes.</summary>
    public void Reserve(int count)
    {
        if (_array.Length - Length >= count) return;
        long needed = (long)Length + count;
        if (needed > Array.MaxLength) throw new InvalidOperationException($"A message of {needed} bytes is more than an array can hold.");
        long doubled = Math.Min(Math.Max(_array.Length * 2L, InitialSize), Array.MaxLength);
        byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Max(needed, doubled));
        WrittenSpan.CopyTo(larger);
        if (_array.Length > 0) ArrayPool<byte>.Shared.Return(_array);
        _array = larger;
    }

    public void Release()
    {
        Length = 0;
        if (_array.Length == 0) return;
        byte[] array = _array;
        _array = [];
        ArrayPool<byte>.Shared.Return(array);
    }
}
