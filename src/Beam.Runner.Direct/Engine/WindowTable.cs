namespace Beam.Runner.Direct.Engine;

/// <summary>Gives every distinct encoded window a small number.</summary>
internal sealed class WindowTable
{
    private readonly Dictionary<byte[], int> _indices = new(ByteArrayComparer.Instance);
    private readonly Dictionary<byte[], int>.AlternateLookup<ReadOnlySpan<byte>> _lookup;
    private readonly List<byte[]> _windows = [];
    private int _last = -1;

    public WindowTable() => _lookup = _indices.GetAlternateLookup<ReadOnlySpan<byte>>();

    public int Count => _windows.Count;

    public byte[] this[int index] => _windows[index];

    public int GetOrAdd(ReadOnlySpan<byte> window)
    {
        // Neighbours mostly share their window.
        if (_last >= 0 && window.SequenceEqual(_windows[_last])) return _last;
        if (_lookup.TryGetValue(window, out _last)) return _last;
        var copy = window.ToArray();
        _last = _windows.Count;
        _windows.Add(copy);
        _indices.Add(copy, _last);
        return _last;
    }

    /// <summary>The number of a window, or -1. Unlike <see cref="GetOrAdd"/> safe for concurrent callers.</summary>
    public int Find(ReadOnlySpan<byte> window) => _lookup.TryGetValue(window, out var index) ? index : -1;
}
