using System.Runtime.CompilerServices;
using Beam.Coders;
using Beam.Coders.Standard;

namespace Beam;

/// <summary>Collections of values that the program has in memory.</summary>
public static class CreateExtensions
{
    /// <summary>A collection of these values.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="values">
    /// The values; none gives an empty collection. For one value that is itself a sequence name the type, <c>Create&lt;int[]&gt;([1, 2])</c>:
    /// otherwise its elements are the values.
    /// </param>
    public static PCollection<T> Create<T>(this Pipeline pipeline, params T[] values) => pipeline.Apply(new Create<T>(values));

    /// <summary>A collection of the elements of a sequence.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="values">The values, read once, now.</param>
    [OverloadResolutionPriority(1)] // A list is a sequence of values before it is a value.
    public static PCollection<T> Create<T>(this Pipeline pipeline, IEnumerable<T> values) => pipeline.Apply(new Create<T>([.. values]));

    /// <summary>A collection of one text.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="value">The only element.</param>
    [OverloadResolutionPriority(2)] // A text is a value before it is a sequence of characters.
    public static PCollection<string> Create(this Pipeline pipeline, string value) => pipeline.Apply(new Create<string>([value]));

    /// <summary>A collection of the elements of a sequence.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="values">The values, read once, now.</param>
    /// <param name="coder">How they are encoded; inferred from the type if null.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> Create<T>(this Pipeline pipeline, IEnumerable<T> values, Coder<T>? coder = null, string? name = null) =>
        pipeline.Apply(new Create<T>([.. values], coder), name);
}

/// <summary>
/// A collection of values that travel, encoded, in the pipeline itself. More than one value travel in chunks that workers share.
/// </summary>
internal sealed class Create<T>(IReadOnlyList<T> values, Coder<T>? coder = null) : PTransform<PBegin, PCollection<T>>
{
    // Enough pieces to keep many workers busy, few enough to cost nothing.
    private const int MaxChunks = 128;

    public override string Name => "Create";

    public override PCollection<T> Expand(PBegin input)
    {
        var graph = input.Pipeline.Graph;
        var elementCoder = coder ?? graph.CoderFor<T>(graph.Current.FullName);
        var chunks = input.Pipeline.Impulse()
            .Apply(new ParDoTransform<byte[], byte[]>(new EmitChunksFn(Encode(elementCoder)), BytesCoder.Instance), "Chunks");
        if (values.Count > 1) chunks = chunks.Reshuffle();
        return chunks.Apply(new ParDoTransform<byte[], T>(new DecodeChunkFn<T>(elementCoder), elementCoder), "Decode");
    }

    private byte[][] Encode(Coder<T> elementCoder)
    {
        var perChunk = Math.Max(1, (values.Count + MaxChunks - 1) / MaxChunks);
        using var writer = new CoderWriter();
        return [.. Enumerable.Range(0, (values.Count + perChunk - 1) / perChunk).Select(chunk =>
        {
            var (first, end) = (chunk * perChunk, Math.Min(values.Count, (chunk + 1) * perChunk));
            writer.Reset();
            writer.WriteVarint(end - first);
            for (var i = first; i < end; i++) elementCoder.Encode(values[i], writer, nested: true);
            return writer.ToArray();
        })];
    }
}

/// <summary>Outputs chunks that travelled with it.</summary>
internal sealed class EmitChunksFn(byte[][] chunks) : DoFn<byte[], byte[]>
{
    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(byte[] element, ProcessContext<byte[]> context)
    {
        foreach (var chunk in chunks) context.Output(chunk);
    }
}

/// <summary>Outputs the values of a chunk.</summary>
internal sealed class DecodeChunkFn<T>(Coder<T> coder) : DoFn<byte[], T>
{
    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(byte[] element, ProcessContext<T> context)
    {
        var reader = new CoderReader(element);
        for (var count = reader.CheckCount(reader.ReadVarint()); count > 0; count--) context.Output(coder.Decode(ref reader, nested: true));
    }
}
