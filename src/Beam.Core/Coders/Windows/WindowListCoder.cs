using System.Runtime.InteropServices;

namespace Beam.Coders.Windows;

/// <summary>The windows of an element: a count of four bytes, then each of them.</summary>
internal sealed class WindowListCoder
{
    private readonly Coder _window;
    private readonly bool _isGlobal;
    private Remembered? _last;

    internal WindowListCoder(Coder window)
    {
        if (!typeof(BoundedWindow).IsAssignableFrom(window.Type))
            throw new ArgumentException($"{window} encodes {window.Type}, which is not a window.", nameof(window));
        _window = window;
        _isGlobal = window is GlobalWindowCoder;
    }

    internal Coder Window => _window;

    internal bool IsGlobal => _isGlobal;

    internal void Encode(IReadOnlyList<BoundedWindow> windows, CoderWriter writer)
    {
        var count = windows.Count;
        writer.WriteBigEndianInt32(count);
        for (var i = 0; i < count; i++) _window.EncodeObject(windows[i], writer, nested: true);
    }

    internal IReadOnlyList<BoundedWindow> Decode(ref CoderReader reader)
    {
        var count = reader.CheckCount(reader.ReadBigEndianInt32());
        if (count == 1)
        {
            if (_isGlobal) return GlobalWindow.Windows;
            return DecodeOne(ref reader);
        }

        var windows = new BoundedWindow[count];
        for (var i = 0; i < count; i++) windows[i] = DecodeWindow(ref reader);
        return windows;
    }

    private BoundedWindow DecodeWindow(ref CoderReader reader) =>
        (BoundedWindow?)_window.DecodeObject(ref reader, nested: true) ?? throw new CoderException($"{_window} decoded a null window.");

    // Elements come in runs of the same window. Entries are immutable and races harmless: at worst a window is decoded again.
    private IReadOnlyList<BoundedWindow> DecodeOne(ref CoderReader reader)
    {
        var last = _last;
        if (last is not null && reader.Peek().StartsWith(last.Encoded))
        {
            // Encodings of windows are nested, so that none is the beginning of another.
            reader.Skip(last.Encoded.Length);
            return last.Windows;
        }

        var bytes = reader.Peek();
        var start = reader.Position;
        var windows = ImmutableCollectionsMarshal.AsImmutableArray([DecodeWindow(ref reader)]);
        var length = reader.Position - start;
        IReadOnlyList<BoundedWindow> list = windows;
        if (length > 0) _last = new Remembered(bytes[..length].ToArray(), list);
        return list;
    }

    private sealed record Remembered(byte[] Encoded, IReadOnlyList<BoundedWindow> Windows);
}
