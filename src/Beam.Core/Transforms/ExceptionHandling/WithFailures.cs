namespace Beam;

/// <summary>What a transform with <see cref="ExceptionHandling"/> gives: <c>var (good, failed) = …</c>.</summary>
/// <param name="Output">The outputs of the elements that were processed.</param>
/// <param name="Failures">The elements that were not.</param>
/// <typeparam name="TOutput">The type of the outputs.</typeparam>
/// <typeparam name="TInput">The type of the elements.</typeparam>
public sealed record WithFailures<TOutput, TInput>(PCollection<TOutput> Output, PCollection<FailedElement<TInput>> Failures) : IPValue
{
    Pipeline IPValue.Pipeline => Output.Pipeline;

    IEnumerable<KeyValuePair<string, PCollection>> IPValue.Collections =>
        [KeyValuePair.Create("good", (PCollection)Output), KeyValuePair.Create("bad", (PCollection)Failures)];
}
