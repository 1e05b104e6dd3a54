using Beam.Translation;

namespace Beam;

/// <summary>Any number of output elements for each input element.</summary>
public static class FlatMapExtensions
{
    /// <summary>Outputs all that a function returns for each element.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function; its result is read once, as the outputs are taken.</param>
    /// <param name="name">The transform's name; by default <c>FlatMap</c>, with the function's name if it has one.</param>
    public static PCollection<TOutput> FlatMap<TInput, TOutput>(
        this PCollection<TInput> input, Func<TInput, IEnumerable<TOutput>> fn, string? name = null) =>
        input.ParallelDo(new FlatMapFn<TInput, TOutput>(fn), name);

    /// <summary>Outputs all that a function returns, which sees the element's timestamp, window and pane, and may read side inputs.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<TOutput> FlatMap<TInput, TOutput>(
        this PCollection<TInput> input, Func<TInput, ElementContext, IEnumerable<TOutput>> fn, string? name = null) =>
        input.ParallelDo(new FlatMapInContextFn<TInput, TOutput>(fn), name);

    /// <summary>Outputs all that a function of the element and a side input returns.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="side">The side input, read in the element's window.</param>
    /// <param name="fn">The function.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<TOutput> FlatMap<TInput, TSide, TOutput>(
        this PCollection<TInput> input, PCollectionView<TSide> side, Func<TInput, TSide, IEnumerable<TOutput>> fn, string? name = null) =>
        input.ParallelDo(new FlatMapWithSideInputFn<TInput, TSide, TOutput>(side, fn), name);

    /// <summary>Outputs all that a function returns; an element for which it throws goes, whole, to the failures.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="handling">Which exceptions count as failed elements, and how many may.</param>
    /// <param name="name">The transform's name.</param>
    public static WithFailures<TOutput, TInput> FlatMap<TInput, TOutput>(
        this PCollection<TInput> input, Func<TInput, IEnumerable<TOutput>> fn, ExceptionHandling handling, string? name = null) =>
        input.ParallelDo(new FlatMapFn<TInput, TOutput>(fn), handling, name);
}

/// <summary>A function of an element that gives several.</summary>
internal sealed class FlatMapFn<TInput, TOutput>(Func<TInput, IEnumerable<TOutput>> fn) : DoFn<TInput, TOutput>, INamedFn
{
    public string Name => FunctionNames.Of("FlatMap", fn);

    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(TInput element, ProcessContext<TOutput> context)
    {
        foreach (var output in fn(element)) context.Output(output);
    }
}

/// <summary>A function of an element and what is known of it that gives several.</summary>
internal sealed class FlatMapInContextFn<TInput, TOutput>(Func<TInput, ElementContext, IEnumerable<TOutput>> fn)
    : DoFn<TInput, TOutput>, INamedFn
{
    public string Name => FunctionNames.Of("FlatMap", fn);

    public override void ProcessElement(TInput element, ProcessContext<TOutput> context)
    {
        foreach (var output in fn(element, context)) context.Output(output);
    }
}

/// <summary>A function of an element and a side input that gives several.</summary>
internal sealed class FlatMapWithSideInputFn<TInput, TSide, TOutput>(
    PCollectionView<TSide> side, Func<TInput, TSide, IEnumerable<TOutput>> fn) : DoFn<TInput, TOutput>, INamedFn
{
    public string Name => FunctionNames.Of("FlatMap", fn);

    public override void ProcessElement(TInput element, ProcessContext<TOutput> context)
    {
        foreach (var output in fn(element, context.SideInput(side))) context.Output(output);
    }
}
