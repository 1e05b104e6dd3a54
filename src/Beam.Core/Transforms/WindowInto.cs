using Beam.Model.Pipeline;

namespace Beam;

/// <summary>Windows of event time.</summary>
public static class WindowIntoExtensions
{
    /// <summary>
    /// Puts every element into the windows of its event time. Groupings and side inputs after this work window by window.
    /// </summary>
    /// <param name="input">The collection.</param>
    /// <param name="windowFn"><see cref="FixedWindows"/>, <see cref="SlidingWindows"/>, <see cref="Sessions"/> or <see cref="GlobalWindows"/>.</param>
    /// <param name="timestampCombiner">The event time of groups; as it was if null.</param>
    /// <param name="allowedLateness">How long after a window's end its late elements still count; as it was if null.</param>
    /// <param name="name">The transform's name; by default <c>WindowInto(FixedWindows)</c> and the like.</param>
    /// <exception cref="PipelineConstructionException"><paramref name="allowedLateness"/> is negative.</exception>
    public static PCollection<T> WindowInto<T>(
        this PCollection<T> input, WindowFn windowFn, TimestampCombiner? timestampCombiner = null, TimeSpan? allowedLateness = null,
        string? name = null)
    {
        if (allowedLateness < TimeSpan.Zero)
            throw new PipelineConstructionException($"The allowed lateness of {windowFn.GetType().Name} is {allowedLateness}; it cannot be negative.");
        return input.Apply(
            new WindowInto<T>(new WindowingStrategy(
                windowFn, timestampCombiner ?? input.Windowing.TimestampCombiner, allowedLateness ?? input.Windowing.AllowedLateness)),
            name);
    }
}

/// <summary>The primitive that assigns windows.</summary>
internal sealed class WindowInto<T>(WindowingStrategy strategy) : PTransform<PCollection<T>, PCollection<T>>
{
    public override string Name => $"WindowInto({strategy.WindowFn.GetType().Name})";

    private protected override void Describe(PCollection<T> input, TransformNode node) =>
        node.SetSpec("beam:transform:window_into:v1", new WindowIntoPayload { WindowFn = strategy.WindowFn.ToProto() }, runsInSdk: true);

    public override PCollection<T> Expand(PCollection<T> input) =>
        input.Pipeline.Graph.Current.AddOutput("out", strategy, input.IsBounded, input.Coder);
}
