using System.Collections;

namespace Beam.Coders.Collections;

/// <summary>Values that are here, followed by values that are fetched page by page, anew for each enumeration.</summary>
internal sealed class StateBackedIterable<T> : IEnumerable<T>
{
    private readonly List<T> _beginning;
    private readonly byte[] _token;
    private readonly Coder<T> _element;
    private readonly IIterableStateReader _state;

    internal StateBackedIterable(List<T> beginning, byte[] token, Coder<T> element, IIterableStateReader state)
    {
        _beginning = beginning;
        _token = token;
        _element = element;
        _state = state;
    }

    public IEnumerator<T> GetEnumerator()
    {
        foreach (var value in _beginning) yield return value;

        ReadOnlyMemory<byte> unread = default;
        foreach (var page in _state.ReadPages(_token))
        {
            unread = unread.IsEmpty ? page : (byte[])[.. unread.Span, .. page.Span];
            var values = DecodeWhole(ref unread, out _);
            foreach (var value in values) yield return value;
        }

        if (unread.IsEmpty) yield break;
        DecodeWhole(ref unread, out var failure);
        throw new CoderException("The state behind an iterable ends within a value.", failure);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    // Decodes the values that the bytes hold whole, and leaves the beginning of one that the next page goes on with.
    private List<T> DecodeWhole(ref ReadOnlyMemory<byte> bytes, out TruncatedValueException? failure)
    {
        failure = null;
        var values = new List<T>();
        var reader = new CoderReader(bytes.Span, _state);
        var end = 0;
        try
        {
            while (!reader.AtEnd)
            {
                values.Add(_element.Decode(ref reader, nested: true));
                if (reader.Position == end) throw new CoderException($"{_element} reads no bytes, so the state's bytes cannot be its values.");
                end = reader.Position;
            }
        }
        catch (TruncatedValueException e)
        {
            failure = e;
        }

        bytes = bytes[end..];
        return values;
    }
}
