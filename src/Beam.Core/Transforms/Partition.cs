using System.Globalization;

namespace Beam;

/// <summary>One collection as several.</summary>
public static class PartitionExtensions
{
    /// <summary>Splits a collection into <paramref name="count"/> parts.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="count">How many parts there are; at least 1.</param>
    /// <param name="partition">The part of an element, from 0 to <paramref name="count"/> - 1; anything else fails the pipeline.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollectionList<T> Partition<T>(this PCollection<T> input, int count, Func<T, int> partition, string? name = null)
    {
        if (count < 1) throw new PipelineConstructionException($"Partition into {count} parts: there must be at least one.");
        return input.Apply(new Partition<T>(count, partition), name);
    }
}

/// <summary>Sends each element to one of several outputs.</summary>
internal sealed class Partition<T>(int count, Func<T, int> partition) : PTransform<PCollection<T>, PCollectionList<T>>
{
    public override string Name => FunctionNames.Of("Partition", partition);

    public override PCollectionList<T> Expand(PCollection<T> input)
    {
        OutputTag<T>[] tags = [.. Enumerable.Range(0, count).Select(i => new OutputTag<T>(i.ToString(CultureInfo.InvariantCulture)))];
        var node = input.Pipeline.Graph.Current;
        Translation.ParDoTranslation.Describe(node, new PartitionFn<T>(tags, partition), tags[0].Name);
        return new([.. tags.Select(t => node.AddOutput(t.Name, input.Windowing, input.IsBounded, input.Coder))]);
    }
}

/// <summary>Chooses the output of an element.</summary>
internal sealed class PartitionFn<T>(OutputTag<T>[] tags, Func<T, int> partition) : DoFn<T, T>
{
    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(T element, ProcessContext<T> context)
    {
        var part = partition(element);
        if ((uint)part >= (uint)tags.Length)
            throw new InvalidOperationException($"Partition {part} of '{element}' does not exist; the partitions are 0 to {tags.Length - 1}.");
        context.Output(tags[part], element);
    }
}
