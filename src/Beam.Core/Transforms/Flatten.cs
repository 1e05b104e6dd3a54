namespace Beam;

/// <summary>Several collections as one.</summary>
public static class FlattenExtensions
{
    /// <summary>The elements of all collections.</summary>
    public static PCollection<T> Flatten<T>(this PCollectionList<T> inputs, string? name = null) => inputs.Apply(new Flatten<T>(), name);

    /// <summary>The elements of this and the other collections.</summary>
    public static PCollection<T> Flatten<T>(this PCollection<T> input, params PCollection<T>[] others) =>
        new PCollectionList<T>(others.Prepend(input)).Flatten();

    /// <summary>Applies a transform to several collections.</summary>
    /// <param name="inputs">The collections.</param>
    /// <param name="transform">The transform.</param>
    /// <param name="name">Its name in the graph; by default the transform's own.</param>
    public static TOutput Apply<T, TOutput>(
        this PCollectionList<T> inputs, PTransform<PCollectionList<T>, TOutput> transform, string? name = null) where TOutput : IPValue =>
        inputs.Pipeline.ApplyTransform(transform, inputs, name);
}

/// <summary>The primitive that unites collections.</summary>
internal sealed class Flatten<T> : PTransform<PCollectionList<T>, PCollection<T>>
{
    private protected override void Describe(PCollectionList<T> input, TransformNode node) => node.SetSpec("beam:transform:flatten:v1");

    public override PCollection<T> Expand(PCollectionList<T> input)
    {
        var first = input[0];
        var bounded = true;
        foreach (var (_, collection) in input.Collections)
        {
            bounded &= collection.IsBounded;
            if (collection.Windowing.WindowFn != first.Windowing.WindowFn)
            {
                throw new PipelineConstructionException(
                    $"Flatten of '{first.Id}' in {first.Windowing.WindowFn} and '{collection.Id}' in {collection.Windowing.WindowFn}: " +
                    "put both into the same windows first.");
            }
        }

        return input.Pipeline.Graph.Current.AddOutput("out", first.Windowing, bounded, first.Coder);
    }
}
