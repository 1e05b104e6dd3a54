using Beam.Coders;
using Beam.Coders.Standard;
using Beam.Translation;

namespace Beam;

/// <summary>Functions whose failures are collected.</summary>
public static class ExceptionHandlingExtensions
{
    /// <summary>
    /// Applies <paramref name="fn"/> to every element. What it outputs for an element counts only if it does not throw; elements for which
    /// it does go to the failures.
    /// </summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function. Exceptions outside <c>ProcessElement</c> belong to no element and are not handled.</param>
    /// <param name="handling">Which exceptions count as failed elements, and how many may.</param>
    /// <param name="name">The transform's name.</param>
    public static WithFailures<TOutput, TInput> ParallelDo<TInput, TOutput>(
        this PCollection<TInput> input, DoFn<TInput, TOutput> fn, ExceptionHandling handling, string? name = null) =>
        input.Apply(new ExceptionHandlingTransform<TInput, TOutput>(fn, tag => new ExceptionHandlingFn<TInput, TOutput>(fn, handling, tag), handling), name);

    /// <summary>
    /// Applies the asynchronous <paramref name="fn"/> to every element. What it outputs for an element counts only if it does not throw;
    /// elements for which it does go to the failures.
    /// </summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="handling">Which exceptions count as failed elements, and how many may.</param>
    /// <param name="name">The transform's name.</param>
    public static WithFailures<TOutput, TInput> ParallelDo<TInput, TOutput>(
        this PCollection<TInput> input, AsyncDoFn<TInput, TOutput> fn, ExceptionHandling handling, string? name = null) =>
        input.Apply(new ExceptionHandlingTransform<TInput, TOutput>(fn, tag => new AsyncExceptionHandlingFn<TInput, TOutput>(fn, handling, tag), handling), name);
}

/// <summary>A function with two outputs, and a check of how many failed.</summary>
internal sealed class ExceptionHandlingTransform<TInput, TOutput>(object fn, Func<OutputTag<FailedElement<TInput>>, object> guard, ExceptionHandling handling)
    : PTransform<PCollection<TInput>, WithFailures<TOutput, TInput>>
{
    public override string Name => ParDoTranslation.NameOf(fn);

    public override WithFailures<TOutput, TInput> Expand(PCollection<TInput> input)
    {
        var bad = new OutputTag<FailedElement<TInput>>("bad");
        var result = input.Apply(new Guarded<TInput, TOutput>(guard(bad)));
        ExceptionThreshold.Check(input, result, handling);
        return result;
    }
}

/// <summary>The primitive within: good ones and bad ones.</summary>
internal sealed class Guarded<TInput, TOutput>(object fn) : PTransform<PCollection<TInput>, WithFailures<TOutput, TInput>>
{
    public override string Name => "Guarded";

    public override WithFailures<TOutput, TInput> Expand(PCollection<TInput> input)
    {
        var node = input.Pipeline.Graph.Current;
        ParDoTranslation.Describe(node, fn, "good");
        return new(
            node.AddOutput<TOutput>("good", input.Windowing, input.IsBounded),
            node.AddOutput<FailedElement<TInput>>("bad", input.Windowing, input.IsBounded, new FailedElementCoder<TInput>(input.Coder)));
    }
}

/// <summary>Failed elements by the element's own coder, which the registry need not know.</summary>
internal sealed class FailedElementCoder<T>(Coder<T> element) : Coder<FailedElement<T>>
{
    private readonly Coder<T> element = element;

    public override IReadOnlyList<Coder> Components => [element, StringUtf8Coder.Instance];

    public override void Encode(FailedElement<T> value, CoderWriter writer, bool nested)
    {
        element.Encode(value.Element, writer, nested: true);
        writer.WriteLengthPrefixedUtf8(value.ExceptionType);
        writer.WriteLengthPrefixedUtf8(value.Message);
        writer.WriteLengthPrefixedUtf8(value.StackTrace);
    }

    public override FailedElement<T> Decode(ref CoderReader reader, bool nested) => new(
        element.Decode(ref reader, nested: true), reader.ReadUtf8(reader.ReadLength()), reader.ReadUtf8(reader.ReadLength()), reader.ReadUtf8(reader.ReadLength()));
}
