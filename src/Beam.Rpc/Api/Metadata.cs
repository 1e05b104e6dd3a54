using System.Buffers;
using System.Collections;
using System.Text;

namespace Grpc.Core;

/// <summary>Headers or trailers of a call. Keys ending in <c>-bin</c> carry bytes, all others printable ASCII.</summary>
internal sealed class Metadata : IList<Metadata.Entry>
{
    public const string BinaryHeaderSuffix = "-bin";

    /// <summary>A metadata with nothing in it that cannot be changed.</summary>
    public static readonly Metadata Empty = new() { IsReadOnly = true };

    private readonly List<Entry> _entries = [];

    public int Count => _entries.Count;
    public bool IsReadOnly { get; private init; }

    public Entry this[int index]
    {
        get => _entries[index];
        set { ThrowIfReadOnly(); _entries[index] = value; }
    }

    public void Add(string key, string value) => Add(new Entry(key, value));
    public void Add(string key, byte[] valueBytes) => Add(new Entry(key, valueBytes));
    public void Add(Entry item) { ThrowIfReadOnly(); _entries.Add(item); }

    /// <summary>The last entry under the key, or null.</summary>
    public Entry? Get(string key)
    {
        for (int i = _entries.Count - 1; i >= 0; i--)
        {
            if (_entries[i].Key.Equals(key, StringComparison.OrdinalIgnoreCase)) return _entries[i];
        }
        return null;
    }

    public string? GetValue(string key) => Get(key)?.Value;
    public byte[]? GetValueBytes(string key) => Get(key)?.ValueBytes;
    public IEnumerable<Entry> GetAll(string key) => _entries.Where(e => e.Key.Equals(key, StringComparison.OrdinalIgnoreCase));

    public int IndexOf(Entry item) => _entries.IndexOf(item);
    public void Insert(int index, Entry item) { ThrowIfReadOnly(); _entries.Insert(index, item); }
    public void RemoveAt(int index) { ThrowIfReadOnly(); _entries.RemoveAt(index); }
    public bool Remove(Entry item) { ThrowIfReadOnly(); return _entries.Remove(item); }
    public void Clear() { ThrowIfReadOnly(); _entries.Clear(); }
    public bool Contains(Entry item) => _entries.Contains(item);
    public void CopyTo(Entry[] array, int arrayIndex) => _entries.CopyTo(array, arrayIndex);
    public IEnumerator<Entry> GetEnumerator() => _entries.GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private void ThrowIfReadOnly()
    {
        if (IsReadOnly) throw new InvalidOperationException("This metadata is read-only; create a new Metadata to add entries.");
    }

    /// <summary>One key with its value; the key is stored in lower case.</summary>
    internal sealed class Entry
    {
        private static readonly SearchValues<char> KeyChars = SearchValues.Create("0123456789abcdefghijklmnopqrstuvwxyz_-.");

        private readonly string? _text;
        private readonly byte[]? _bytes;

        public Entry(string key, string value)
        {
            Key = CheckedKey(key);
            if (IsBinary) throw new ArgumentException($"Metadata key '{key}' ends in '-bin' and needs a byte[] value.", nameof(value));
            if (value.AsSpan().ContainsAnyExceptInRange(' ', '~'))
                throw new ArgumentException($"The value of metadata '{key}' has characters that are not printable ASCII; use a '-bin' key.", nameof(value));
            _text = value;
        }

        public Entry(string key, byte[] valueBytes)
        {
            Key = CheckedKey(key);
            if (!IsBinary) throw new ArgumentException($"Metadata key '{key}' must end in '-bin' to carry bytes.", nameof(key));
            _bytes = valueBytes;
        }

        private Entry(string key, string? text, byte[]? bytes) => (Key, _text, _bytes) = (key, text, bytes);

        public string Key { get; }
        public bool IsBinary => Key.EndsWith(BinaryHeaderSuffix, StringComparison.Ordinal);
        public string Value => _text ?? throw new InvalidOperationException($"Metadata '{Key}' is binary; read ValueBytes.");
        public byte[] ValueBytes => _bytes ?? Encoding.ASCII.GetBytes(_text!);

        public override string ToString() => $"[Entry: key={Key}, {(IsBinary ? $"{_bytes!.Length} bytes" : $"value={_text}")}]";

        /// <summary>An entry as it came over the wire: not checked again, since HTTP/2 already limits what it can hold.</summary>
        internal static Entry Received(string key, string? text, byte[]? bytes) => new(key, text, bytes);

        private static string CheckedKey(string key)
        {
            ArgumentException.ThrowIfNullOrEmpty(key);
            string lower = key.ToLowerInvariant();
            return lower.AsSpan().ContainsAnyExcept(KeyChars)
                ? throw new ArgumentException($"Metadata key '{key}' may have only letters, digits, '_', '-' and '.'.", nameof(key))
                : lower;
        }
    }
}
