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
        var lateness = first.Windowing.AllowedLateness;
        foreach (var (_, collection) in input.Collections)
        {
            bounded &= collection.IsBounded;
            // The longest: no input's late elements are lost for another's haste.
            if (collection.Windowing.AllowedLateness > lateness) lateness = collection.Windowing.AllowedLateness;
            if (Difference(first.Windowing, collection.Windowing) is var (one, other))
            {
                throw new PipelineConstructionException(
                    $"Flatten of '{first.Id}' {one} and '{collection.Id}' {other}: put both into the same windows first (WindowInto).");
            }
        }

        return input.Pipeline.Graph.Current.AddOutput("out", first.Windowing with { AllowedLateness = lateness }, bounded, first.Coder);
    }

    /// <summary>In what groupings after this one would treat elements of two collections differently; null if they would not.</summary>
    private static (string First, string Other)? Difference(WindowingStrategy first, WindowingStrategy other)
    {
        if (first.WindowFn != other.WindowFn) return ($"in {first.WindowFn}", $"in {other.WindowFn}");
        if (first.IsAlreadyMerged != other.IsAlreadyMerged) return (Merges(first), Merges(other));
        if (first.TimestampCombiner != other.TimestampCombiner)
            return ($"with the timestamp combiner {first.TimestampCombiner}", $"with {other.TimestampCombiner}");
        return null;

        static string Merges(WindowingStrategy strategy) =>
            strategy.IsAlreadyMerged ? "in windows that a grouping has merged" : "in windows that have not merged yet";
    }
}
