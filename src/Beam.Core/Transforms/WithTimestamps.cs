using Beam.Translation;

namespace Beam;

/// <summary>Event times of elements.</summary>
public static class WithTimestampsExtensions
{
    /// <summary>
    /// Gives every element the event time that a function finds in it. Windows stay as they are: apply <c>WindowInto</c> afterwards.
    /// </summary>
    /// <param name="input">The collection.</param>
    /// <param name="timestamp">The event time of an element.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> WithTimestamps<T>(this PCollection<T> input, Func<T, Timestamp> timestamp, string? name = null) =>
        input.Apply(new ParDoTransform<T, T>(new WithTimestampsFn<T>(timestamp), input.Coder), name);
}

/// <summary>Outputs an element at the time that it says.</summary>
internal sealed class WithTimestampsFn<T>(Func<T, Timestamp> timestamp) : DoFn<T, T>, INamedFn
{
    public string Name => FunctionNames.Of("WithTimestamps", timestamp);

    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(T element, ProcessContext<T> context) => context.Output(element, timestamp(element));
}
