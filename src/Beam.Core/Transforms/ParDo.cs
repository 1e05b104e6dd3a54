using Beam.Coders;
using Beam.Model.Pipeline;
using Beam.Serialization;
using Beam.Translation;

namespace Beam;

/// <summary>Applies functions to the elements of collections.</summary>
public static class ParDo
{
    /// <summary>A transform that applies <paramref name="fn"/> to every element.</summary>
    /// <param name="fn">The function.</param>
    /// <param name="coder">The coder of the output; inferred if null.</param>
    public static PTransform<PCollection<TInput>, PCollection<TOutput>> Of<TInput, TOutput>(
        DoFn<TInput, TOutput> fn, Coder<TOutput>? coder = null) => new ParDoTransform<TInput, TOutput>(fn, coder);

    /// <summary>A transform that applies the asynchronous <paramref name="fn"/> to every element.</summary>
    /// <param name="fn">The function.</param>
    /// <param name="coder">The coder of the output; inferred if null.</param>
    public static PTransform<PCollection<TInput>, PCollection<TOutput>> Of<TInput, TOutput>(
        AsyncDoFn<TInput, TOutput> fn, Coder<TOutput>? coder = null) => new ParDoTransform<TInput, TOutput>(fn, coder);

    /// <summary>A transform with several outputs.</summary>
    /// <param name="fn">The function.</param>
    /// <param name="mainTag">What the main output is called.</param>
    /// <param name="tags">The other outputs.</param>
    public static PTransform<PCollection<TInput>, PCollectionTuple> Of<TInput, TOutput>(
        DoFn<TInput, TOutput> fn, OutputTag<TOutput> mainTag, params OutputTag[] tags) => new MultiOutputParDo<TInput, TOutput>(fn, mainTag, tags);

    /// <summary>An asynchronous transform with several outputs.</summary>
    /// <param name="fn">The function.</param>
    /// <param name="mainTag">What the main output is called.</param>
    /// <param name="tags">The other outputs.</param>
    public static PTransform<PCollection<TInput>, PCollectionTuple> Of<TInput, TOutput>(
        AsyncDoFn<TInput, TOutput> fn, OutputTag<TOutput> mainTag, params OutputTag[] tags) => new MultiOutputParDo<TInput, TOutput>(fn, mainTag, tags);

    /// <summary>Applies <paramref name="fn"/> to every element.</summary>
    public static PCollection<TOutput> ParallelDo<TInput, TOutput>(this PCollection<TInput> input, DoFn<TInput, TOutput> fn, string? name = null) =>
        input.Apply(Of(fn), name);

    /// <summary>Applies the asynchronous <paramref name="fn"/> to every element.</summary>
    public static PCollection<TOutput> ParallelDo<TInput, TOutput>(this PCollection<TInput> input, AsyncDoFn<TInput, TOutput> fn, string? name = null) =>
        input.Apply(Of(fn), name);
}

/// <summary>The primitive: a function with one output.</summary>
/// <param name="fn">A <see cref="DoFn{TInput,TOutput}"/> or <see cref="AsyncDoFn{TInput,TOutput}"/>.</param>
/// <param name="coder">The coder of the output; inferred if null.</param>
/// <param name="windowing">How the output is windowed; as the input if null.</param>
internal sealed class ParDoTransform<TInput, TOutput>(object fn, Coder<TOutput>? coder, WindowingStrategy? windowing = null)
    : PTransform<PCollection<TInput>, PCollection<TOutput>>
{
    public override string Name => ParDoTranslation.NameOf(fn);

    public override PCollection<TOutput> Expand(PCollection<TInput> input)
    {
        var node = input.Pipeline.Graph.Current;
        ParDoTranslation.Describe(node, fn);
        return node.AddOutput("out", windowing ?? input.Windowing, input.IsBounded, coder);
    }
}

/// <summary>The primitive: a function with several outputs.</summary>
internal sealed class MultiOutputParDo<TInput, TOutput>(object fn, OutputTag<TOutput> mainTag, OutputTag[] tags)
    : PTransform<PCollection<TInput>, PCollectionTuple>
{
    public override string Name => ParDoTranslation.NameOf(fn);

    public override PCollectionTuple Expand(PCollection<TInput> input)
    {
        var node = input.Pipeline.Graph.Current;
        if (tags.Prepend(mainTag).GroupBy(t => t.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new PipelineConstructionException($"Transform '{node.FullName}' declares the output '{twice.Key}' twice.");
        ParDoTranslation.Describe(node, fn, mainTag.Name);
        return new PCollectionTuple(input.Pipeline, tags.Prepend(mainTag).Select(t => KeyValuePair.Create(t.Name, t.CreateOutput(node, input))));
    }
}
