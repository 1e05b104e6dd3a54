namespace Beam.Runner.Direct.Engine;

/// <summary>Cuts a stage's input into bundles, at element boundaries and in order.</summary>
internal static class BundleSplitter
{
    /// <param name="dataset">The formats of the input.</param>
    /// <param name="chunks">The input.</param>
    /// <param name="desiredBundles">How many bundles keep all workers busy; fewer are made of fewer elements.</param>
    /// <param name="maxBundleBytes">What a bundle holds at most, unless one element is larger.</param>
    public static List<List<Chunk>> Split(Dataset dataset, IReadOnlyList<Chunk> chunks, int desiredBundles, long maxBundleBytes)
    {
        var elements = chunks.Sum(chunk => (long)chunk.Count);
        var bundles = new List<List<Chunk>>();
        if (elements == 0) return bundles;
        var count = Math.Min(elements, desiredBundles);
        var current = new List<Chunk>();
        long taken = 0, bytes = 0;
        // Bundle i of n takes the elements up to elements * (i + 1) / n, so that sizes differ by one at most.
        var limit = elements / count;
        foreach (var chunk in chunks)
        {
            if (taken + chunk.Count <= limit && bytes + chunk.Data.Length <= maxBundleBytes)
            {
                Take(chunk);
                continue;
            }

            var reader = new ElementReader(chunk.Data.Span, dataset.Elements, dataset.Windows);
            var (start, inSlice) = (0, 0);
            while (reader.Read())
            {
                if (inSlice > 0 && bytes + (reader.End - start) > maxBundleBytes || inSlice == 0 && current.Count > 0 && bytes + (reader.End - reader.Start) > maxBundleBytes)
                {
                    if (inSlice > 0) Take(new Chunk(chunk.Data[start..reader.Start], inSlice));
                    Close();
                    (start, inSlice) = (reader.Start, 0);
                }

                inSlice++;
                if (taken + inSlice < limit) continue;
                Take(new Chunk(chunk.Data[start..reader.End], inSlice));
                (start, inSlice) = (reader.End, 0);
            }

            if (inSlice > 0) Take(new Chunk(chunk.Data[start..], inSlice));
        }

        Close();
        return bundles;

        void Take(Chunk chunk)
        {
            current.Add(chunk);
            taken += chunk.Count;
            bytes += chunk.Data.Length;
            if (taken >= limit) Close();
        }

        void Close()
        {
            if (current.Count > 0) bundles.Add(current);
            (current, bytes) = ([], 0);
            while (limit <= taken && limit < elements) limit = NextLimit(limit);
        }

        long NextLimit(long previous)
        {
            // The smallest boundary elements * i / n that is larger than the previous one.
            var i = (previous * count / elements) + 1;
            var next = elements * i / count;
            return next > previous ? next : elements * (i + 1) / count;
        }
    }
}
