namespace Beam.Harness;

/// <summary>Where to split a channel of elements.</summary>
internal static class SplitPoint
{
    /// <summary>
    /// The index of the first element to give away, so that about <paramref name="fraction"/> of the work that remains is kept; null if
    /// nothing can be given.
    /// </summary>
    /// <param name="index">The element that is being processed; -1 before the first.</param>
    /// <param name="end">How many elements the channel has in all.</param>
    /// <param name="fraction">The part of the remaining work to keep, 0 to 1.</param>
    /// <param name="allowed">The only indices to choose from; any if empty.</param>
    public static long? Choose(long index, long end, double fraction, IReadOnlyCollection<long> allowed)
    {
        if (end <= index || double.IsNaN(fraction)) return null;

        // An element cannot be split, and nobody knows how far it is: half of it counts as done.
        var done = index < 0 ? 1.0 : 0.5;
        var keep = (end - index - done) * Math.Clamp(fraction, 0, 1);
        var wanted = index + Math.Max(1, (long)Math.Round(done + keep));
        if (allowed.Count != 0)
        {
            long? best = null;
            foreach (var point in allowed)
            {
                if (point <= index || point >= end) continue;
                if (best is not { } b || Math.Abs(point - wanted) < Math.Abs(b - wanted) || (Math.Abs(point - wanted) == Math.Abs(b - wanted) && point > b))
                    best = point;
            }

            return best;
        }

        return wanted < end ? wanted : null;
    }
}
