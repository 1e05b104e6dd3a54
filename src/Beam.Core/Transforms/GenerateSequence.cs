namespace Beam;

/// <summary>Collections of numbers.</summary>
public static class GenerateSequenceExtensions
{
    /// <summary>The numbers from <paramref name="from"/> (inclusive) to <paramref name="to"/> (exclusive), made in pieces on all workers.</summary>
    /// <exception cref="PipelineConstructionException"><paramref name="to"/> is less than <paramref name="from"/>.</exception>
    public static PCollection<long> GenerateSequence(this Pipeline pipeline, long from, long to, string? name = null) =>
        pipeline.Apply(new GenerateSequence(from, to), name);
}

/// <summary>A bounded range of numbers.</summary>
internal sealed class GenerateSequence(long from, long to) : PTransform<PBegin, PCollection<long>>
{
    private const int MaxChunks = 64;
    private const ulong MinChunk = 1000;

    public override PCollection<long> Expand(PBegin input)
    {
        if (to < from) throw new PipelineConstructionException($"GenerateSequence from {from} to {to}: the end is before the beginning.");
        return input.Pipeline.Create(Chunks(), name: "Ranges").FlatMap(static range => Numbers(range.Key, range.Value), name: "Numbers");
    }

    private IEnumerable<KV<long, long>> Chunks()
    {
        // The distance of two longs may not fit a long.
        var count = (ulong)to - (ulong)from;
        var size = Math.Max(MinChunk, count / MaxChunks + (count % MaxChunks == 0 ? 0UL : 1UL));
        for (ulong done = 0; done < count; done += size)
            yield return KV.Of((long)((ulong)from + done), (long)((ulong)from + Math.Min(count, done + size)));
    }

    private static IEnumerable<long> Numbers(long from, long to)
    {
        for (var n = from; n < to; n++) yield return n;
    }
}
