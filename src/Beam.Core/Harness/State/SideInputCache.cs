using Google.Protobuf;

namespace Beam.Harness;

/// <summary>
/// Contents of side inputs that outlive a bundle, by the tokens with which the runner says that nothing has changed. What was used last
/// stays, up to a number of bytes.
/// </summary>
internal sealed class SideInputCache(long maxBytes)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(ByteString Token, ByteString Key), LinkedListNode<Entry>> _entries = [];
    private readonly LinkedList<Entry> _byUse = new();
    private long _bytes;

    private sealed record Entry((ByteString Token, ByteString Key) Id, object Value, long Bytes);

    public object? Get(ByteString token, ByteString key)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue((token, key), out var node)) return null;
            _byUse.Remove(node);
            _byUse.AddFirst(node);
            return node.Value.Value;
        }
    }

    /// <summary>Keeps a value that nobody changes, of about this many bytes.</summary>
    public void Put(ByteString token, ByteString key, object value, long bytes)
    {
        if (bytes > maxBytes / 4) return; // one that would drive out everything else
        lock (_lock)
        {
            var id = (token, key);
            if (_entries.Remove(id, out var old)) Remove(old);
            _entries.Add(id, _byUse.AddFirst(new Entry(id, value, bytes)));
            _bytes += bytes;
            while (_bytes > maxBytes && _byUse.Last is { } last)
            {
                _entries.Remove(last.Value.Id);
                Remove(last);
            }
        }
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _byUse.Remove(node);
        _bytes -= node.Value.Bytes;
    }
}
