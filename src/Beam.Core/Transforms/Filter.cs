using Beam.Translation;

namespace Beam;

/// <summary>The elements that satisfy a condition.</summary>
public static class FilterExtensions
{
    /// <summary>Keeps the elements for which a function is true.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="predicate">The condition.</param>
    /// <param name="name">The transform's name; by default <c>Filter</c>, with the function's name if it has one.</param>
    public static PCollection<T> Filter<T>(this PCollection<T> input, Func<T, bool> predicate, string? name = null) =>
        input.Apply(new ParDoTransform<T, T>(new FilterFn<T>(predicate), input.Coder), name);

    /// <summary>Keeps the elements for which a function is true that sees their timestamp, window and pane, and may read side inputs.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="predicate">The condition.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> Filter<T>(this PCollection<T> input, Func<T, ElementContext, bool> predicate, string? name = null) =>
        input.Apply(new ParDoTransform<T, T>(new FilterInContextFn<T>(predicate), input.Coder), name);

    /// <summary>Keeps the elements for which a function of the element and a side input is true.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="side">The side input, read in the element's window.</param>
    /// <param name="predicate">The condition.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> Filter<T, TSide>(
        this PCollection<T> input, PCollectionView<TSide> side, Func<T, TSide, bool> predicate, string? name = null) =>
        input.Apply(new ParDoTransform<T, T>(new FilterWithSideInputFn<T, TSide>(side, predicate), input.Coder), name);
}

/// <summary>A condition on an element.</summary>
internal sealed class FilterFn<T>(Func<T, bool> predicate) : DoFn<T, T>, INamedFn
{
    public string Name => FunctionNames.Of("Filter", predicate);

    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(T element, ProcessContext<T> context)
    {
        if (predicate(element)) context.Output(element);
    }
}

/// <summary>A condition on an element and what is known of it.</summary>
internal sealed class FilterInContextFn<T>(Func<T, ElementContext, bool> predicate) : DoFn<T, T>, INamedFn
{
    public string Name => FunctionNames.Of("Filter", predicate);

    public override void ProcessElement(T element, ProcessContext<T> context)
    {
        if (predicate(element, context)) context.Output(element);
    }
}

/// <summary>A condition on an element and a side input.</summary>
internal sealed class FilterWithSideInputFn<T, TSide>(PCollectionView<TSide> side, Func<T, TSide, bool> predicate) : DoFn<T, T>, INamedFn
{
    public string Name => FunctionNames.Of("Filter", predicate);

    public override void ProcessElement(T element, ProcessContext<T> context)
    {
        if (predicate(element, context.SideInput(side))) context.Output(element);
    }
}
