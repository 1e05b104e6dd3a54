using System.Runtime.CompilerServices;

namespace Beam.Runner.Direct.Engine;

/// <summary>A list of structs that grows page by page: nothing is copied, and no array is larger than a page.</summary>
internal sealed class PagedList<T> where T : struct
{
    private const int PageBits = 14;
    private const int PageSize = 1 << PageBits;

    private readonly List<T[]> _pages = [];

    public int Count { get; private set; }

    public ref T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _pages[index >> PageBits][index & (PageSize - 1)];
    }

    /// <summary>Adds an item and returns its index.</summary>
    public int Add(in T item)
    {
        if (Count == int.MaxValue) throw new InvalidOperationException("More than two billion values in one GroupByKey.");
        if (Count >> PageBits == _pages.Count) _pages.Add(new T[PageSize]);
        this[Count] = item;
        return Count++;
    }
}
