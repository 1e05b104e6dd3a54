using Beam.Translation;

namespace Beam;

/// <summary>One output element for each input element.</summary>
public static class MapExtensions
{
    /// <summary>Applies a function to every element.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="name">The transform's name; by default <c>Map</c>, with the function's name if it has one.</param>
    public static PCollection<TOutput> Map<TInput, TOutput>(
        this PCollection<TInput> input, Func<TInput, TOutput> fn, string? name = null) =>
        input.ParallelDo(new MapFn<TInput, TOutput>(fn), name);

    /// <summary>Applies a function that sees the element's timestamp, window and pane, and may read side inputs.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<TOutput> Map<TInput, TOutput>(
        this PCollection<TInput> input, Func<TInput, ElementContext, TOutput> fn, string? name = null) =>
        input.ParallelDo(new MapInContextFn<TInput, TOutput>(fn), name);

    /// <summary>Applies a function of the element and a side input.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="side">The side input, read in the element's window.</param>
    /// <param name="fn">The function.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<TOutput> Map<TInput, TSide, TOutput>(
        this PCollection<TInput> input, PCollectionView<TSide> side, Func<TInput, TSide, TOutput> fn, string? name = null) =>
        input.ParallelDo(new MapWithSideInputFn<TInput, TSide, TOutput>(side, fn), name);

    /// <summary>Applies a function to every element; an element for which it throws goes to the failures instead of failing the pipeline.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="handling">Which exceptions count as failed elements, and how many may.</param>
    /// <param name="name">The transform's name.</param>
    public static WithFailures<TOutput, TInput> Map<TInput, TOutput>(
        this PCollection<TInput> input, Func<TInput, TOutput> fn, ExceptionHandling handling, string? name = null) =>
        input.ParallelDo(new MapFn<TInput, TOutput>(fn), handling, name);
}

/// <summary>A function of an element.</summary>
internal sealed class MapFn<TInput, TOutput>(Func<TInput, TOutput> fn) : DoFn<TInput, TOutput>, INamedFn
{
    public string Name => FunctionNames.Of("Map", fn);

    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(TInput element, ProcessContext<TOutput> context) => context.Output(fn(element));
}

/// <summary>A function of an element and what is known of it.</summary>
internal sealed class MapInContextFn<TInput, TOutput>(Func<TInput, ElementContext, TOutput> fn) : DoFn<TInput, TOutput>, INamedFn
{
    public string Name => FunctionNames.Of("Map", fn);

    public override void ProcessElement(TInput element, ProcessContext<TOutput> context) => context.Output(fn(element, context));
}

/// <summary>A function of an element and a side input.</summary>
internal sealed class MapWithSideInputFn<TInput, TSide, TOutput>(PCollectionView<TSide> side, Func<TInput, TSide, TOutput> fn)
    : DoFn<TInput, TOutput>, INamedFn
{
    public string Name => FunctionNames.Of("Map", fn);

    public override void ProcessElement(TInput element, ProcessContext<TOutput> context) =>
        context.Output(fn(element, context.SideInput(side)));
}
