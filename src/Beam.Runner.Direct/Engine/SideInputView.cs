using System.Buffers.Binary;

namespace Beam.Runner.Direct.Engine;

/// <summary>A page of what a side input holds, and where the next page starts (null after the last).</summary>
internal readonly record struct StatePage(ReadOnlyMemory<byte> Data, int? Next);

/// <summary>A complete dataset, materialised by window for harnesses to ask. Windows are given as the SDK's window coder encodes them.</summary>
internal abstract class SideInputView
{
    /// <summary>What a page is filled up to, in bytes; a single element may be larger.</summary>
    public const int PageBytes = 1 << 20;

    public static SideInputView Create(AccessPattern access, Dataset dataset, IEnumerable<Chunk> chunks) =>
        access == AccessPattern.Iterable ? IterableView.Create(dataset, chunks) : MultimapView.Create(dataset, chunks);

    /// <summary>The elements of a window.</summary>
    public virtual StatePage Elements(ReadOnlySpan<byte> window, int position) => throw Unsupported("its elements");

    /// <summary>The values of a key in a window.</summary>
    public virtual StatePage Values(ReadOnlySpan<byte> window, ReadOnlySpan<byte> key, int position) => throw Unsupported("the values of a key");

    /// <summary>The keys of a window.</summary>
    public virtual StatePage Keys(ReadOnlySpan<byte> window, int position) => throw Unsupported("its keys");

    /// <summary>The keys of a window, each with an iterable of its values.</summary>
    public virtual StatePage KeysValues(ReadOnlySpan<byte> window, int position) => throw Unsupported("its keys and values");

    /// <summary>An encoded window without the length prefix that the runner has put around windows which it cannot read.</summary>
    protected static ReadOnlySpan<byte> Unframe(WindowFormat format, ReadOnlySpan<byte> window)
    {
        if (format is WindowFormat.Global or WindowFormat.Interval) return window;
        var start = 0;
        Varint.Read(window, ref start);
        return window[start..];
    }

    private InvalidOperationException Unsupported(string what) => new($"A side input that is {Description} was asked for {what}.");

    protected abstract string Description { get; }
}

/// <summary>The elements of each window, one after the other.</summary>
internal sealed class IterableView : SideInputView
{
    private readonly WindowTable _windows = new();
    private readonly List<List<byte[]>> _pages = [];

    protected override string Description => "an iterable";

    public static IterableView Create(Dataset dataset, IEnumerable<Chunk> chunks)
    {
        var view = new IterableView();
        var writers = new List<PageWriter>();
        foreach (var chunk in chunks)
        {
            var data = chunk.Data.Span;
            var reader = new ElementReader(data, dataset.Elements, dataset.Windows);
            while (reader.Read())
            {
                var window = reader.WindowsStart;
                for (var i = 0; i < reader.WindowCount; i++)
                {
                    var end = reader.WindowEnd(window);
                    var index = view._windows.GetOrAdd(Unframe(dataset.Windows, data[window..end]));
                    if (index == writers.Count) writers.Add(new PageWriter());
                    writers[index].Write(data[reader.ValueStart..reader.End]);
                    window = end;
                }
            }
        }

        foreach (var writer in writers) view._pages.Add(writer.Finish());
        return view;
    }

    public override StatePage Elements(ReadOnlySpan<byte> window, int position)
    {
        var index = _windows.Find(window);
        if (index < 0) return default;
        var pages = _pages[index];
        if ((uint)position >= (uint)pages.Count) throw new InvalidOperationException($"A side input has no page {position}.");
        return new StatePage(pages[position], position + 1 < pages.Count ? position + 1 : null);
    }

    private sealed class PageWriter
    {
        private readonly List<byte[]> _pages = [];
        private readonly MemoryStream _current = new();

        public void Write(ReadOnlySpan<byte> element)
        {
            if (_current.Length > 0 && _current.Length + element.Length > PageBytes) Flush();
            _current.Write(element);
        }

        public List<byte[]> Finish()
        {
            Flush();
            return _pages;
        }

        private void Flush()
        {
            _pages.Add(_current.ToArray());
            _current.SetLength(0);
        }
    }
}

/// <summary>The values of each key and window.</summary>
internal sealed class MultimapView : SideInputView
{
    private readonly WindowTable _windows = new();
    private readonly GroupTable _table = new();
    private readonly List<List<int>> _groups = [];

    protected override string Description => "a multimap";

    public static MultimapView Create(Dataset dataset, IEnumerable<Chunk> chunks)
    {
        if (dataset.Elements != ElementFormat.KeyValue) throw new ArgumentException($"{dataset.Name} is not a collection of keys and values.", nameof(dataset));
        var view = new MultimapView();
        view._table.Read(dataset, chunks, (window, in element) =>
        {
            var number = view._windows.GetOrAdd(Unframe(dataset.Windows, window));
            if (number == view._groups.Count) view._groups.Add([]);
            ref var group = ref view._table.Add(number, element);
            if (group.Count == 1) view._groups[number].Add(view._table.Count - 1);
        });
        return view;
    }

    public override StatePage Values(ReadOnlySpan<byte> window, ReadOnlySpan<byte> key, int position)
    {
        var number = _windows.Find(window);
        var index = number < 0 ? -1 : _table.Find(number, key);
        if (index < 0) return default;
        ref var group = ref _table[index];
        // Positions are values' numbers, shifted by one so that 0 is the start.
        var value = position == 0 ? group.First : position - 1;
        if ((uint)value >= (uint)_table.ValueCount) throw new InvalidOperationException($"A side input has no position {position}.");
        var page = new MemoryStream();
        for (; value >= 0; value = _table.ValueAt(value).Next)
        {
            var bytes = _table.Bytes(_table.ValueAt(value));
            if (page.Length > 0 && page.Length + bytes.Length > PageBytes) return Page(page, value + 1);
            page.Write(bytes);
        }

        return Page(page, null);
    }

    public override StatePage Keys(ReadOnlySpan<byte> window, int position)
    {
        var page = new MemoryStream();
        var groups = GroupsOf(window);
        for (var i = position; i < groups.Count; i++)
        {
            var key = _table.Key(_table[groups[i]]);
            if (page.Length > 0 && page.Length + key.Length > PageBytes) return Page(page, i);
            page.Write(key);
        }

        return Page(page, null);
    }

    public override StatePage KeysValues(ReadOnlySpan<byte> window, int position)
    {
        var page = new MemoryStream();
        var groups = GroupsOf(window);
        Span<byte> count = stackalloc byte[4];
        for (var i = position; i < groups.Count; i++)
        {
            ref var group = ref _table[groups[i]];
            if (page.Length > 0 && page.Length + group.KeyLength + 4 + group.Bytes > PageBytes) return Page(page, i);
            page.Write(_table.Key(group));
            BinaryPrimitives.WriteInt32BigEndian(count, group.Count);
            page.Write(count);
            for (var v = group.First; v >= 0; v = _table.ValueAt(v).Next) page.Write(_table.Bytes(_table.ValueAt(v)));
        }

        return Page(page, null);
    }

    private List<int> GroupsOf(ReadOnlySpan<byte> window) => _windows.Find(window) is >= 0 and var number ? _groups[number] : [];

    private static StatePage Page(MemoryStream page, int? next) => new(page.GetBuffer().AsMemory(0, (int)page.Length), next);
}
