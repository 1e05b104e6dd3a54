using Beam.Coders;

namespace Beam.Harness;

/// <summary>Values out of pages that cut the stream of bytes anywhere.</summary>
internal static class PagedValues
{
    /// <param name="pages">The pages, in order.</param>
    /// <param name="coder">The coder of the values.</param>
    /// <param name="state">For values that refer to more state.</param>
    /// <param name="onBytes">Told the size of each page.</param>
    public static IEnumerable<T> Decode<T>(IEnumerable<ReadOnlyMemory<byte>> pages, Coder<T> coder, IIterableStateReader? state, Action<long>? onBytes = null)
    {
        ReadOnlyMemory<byte> rest = default;
        var needed = 0; // a value of many pages is tried again only when what there is has doubled
        var values = new List<T>();
        foreach (var page in pages)
        {
            onBytes?.Invoke(page.Length);
            if (page.IsEmpty) continue;
            if (!rest.IsEmpty)
            {
                var joined = new byte[rest.Length + page.Length];
                rest.CopyTo(joined);
                page.CopyTo(joined.AsMemory(rest.Length));
                rest = joined;
            }
            else
            {
                rest = page;
            }

            if (rest.Length < needed) continue;
            rest = rest[Available(rest.Span, coder, state, values, final: false)..];
            needed = rest.Length * 2;
            foreach (var value in values) yield return value;
            values.Clear();
        }

        if (rest.IsEmpty) yield break;
        Available(rest.Span, coder, state, values, final: true);
        foreach (var value in values) yield return value;
    }

    private static int Available<T>(ReadOnlySpan<byte> bytes, Coder<T> coder, IIterableStateReader? state, List<T> values, bool final)
    {
        var reader = new CoderReader(bytes, state);
        var consumed = 0;
        while (!reader.AtEnd)
        {
            try
            {
                values.Add(coder.Decode(ref reader, nested: true));
            }
            catch (TruncatedValueException) when (!final)
            {
                return consumed;
            }

            if (reader.Position == consumed) throw new CoderException($"{coder} takes no bytes, so that nobody can tell how many values there are.");
            consumed = reader.Position;
        }

        return consumed;
    }
}
