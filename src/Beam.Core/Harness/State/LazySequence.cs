using System.Collections;

namespace Beam.Harness;

/// <summary>
/// A sequence that is fetched as far as somebody has read, once, and kept. Several threads may read it at a time.
/// </summary>
internal sealed class LazySequence<T> : IEnumerable<T>
{
    private readonly Lock _lock = new();
    private readonly List<T> _fetched = [];
    private readonly Action<T[]>? _completed;
    private IEnumerator<T>? _source;
    private T[]? _all;
    private Exception? _error;

    /// <summary>Fetches from a source.</summary>
    /// <param name="source">Enumerated once.</param>
    /// <param name="completed">Told of all values when the source has ended.</param>
    public LazySequence(IEnumerable<T> source, Action<T[]>? completed = null)
    {
        _source = source.GetEnumerator();
        _completed = completed;
    }

    public LazySequence(T[] all) => _all = all;

    /// <summary>Everything, in memory.</summary>
    public T[] ToArray()
    {
        for (var i = 0; _all is null; i = _fetched.Count) TryGet(i, out _);
        return _all;
    }

    public IReadOnlyList<T> ToReadOnlyList() => Array.AsReadOnly(ToArray());

    public IEnumerator<T> GetEnumerator()
    {
        if (_all is { } all)
        {
            foreach (var value in all) yield return value;
            yield break;
        }

        for (var i = 0; TryGet(i, out var value); i++) yield return value;
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private bool TryGet(int index, out T value)
    {
        lock (_lock)
        {
            if (_all is { } all)
            {
                value = index < all.Length ? all[index] : default!;
                return index < all.Length;
            }

            while (_fetched.Count <= index)
            {
                if (Fetch()) continue;

                _source!.Dispose();
                _source = null;
                _all = [.. _fetched];
                _fetched.Clear();
                _completed?.Invoke(_all);
                value = default!;
                return false;
            }

            value = _fetched[index];
            return true;
        }
    }

    private bool Fetch()
    {
        // An iterator that has thrown says afterwards that it has ended, which would pass for the whole.
        if (_error is not null) throw new IOException($"The sequence could not be read to its end: {_error.Message}", _error);
        try
        {
            if (!_source!.MoveNext()) return false;
            _fetched.Add(_source.Current);
            return true;
        }
        catch (Exception e)
        {
            _error = e;
            throw;
        }
    }
}
