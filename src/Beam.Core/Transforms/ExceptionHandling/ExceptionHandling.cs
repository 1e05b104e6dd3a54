namespace Beam;

/// <summary>
/// Dead letters instead of a failed pipeline: elements for which a function throws go, with the exception, to a collection of their own.
/// </summary>
/// <param name="Threshold">
/// The largest part of the input's elements that may fail, from 0 to 1; more than that fails the pipeline. Default 1: all may. Needs a bounded input if
/// it is less.
/// </param>
/// <param name="Handles">
/// Which exceptions make a failed element; others fail the bundle as usual. Null for all, but for the cancellation of the pipeline.
/// </param>
public sealed record ExceptionHandling(double Threshold = 1.0, Func<Exception, bool>? Handles = null)
{
    /// <summary>Every exception, any number of them.</summary>
    public static ExceptionHandling DeadLetter { get; } = new();

    /// <summary>One type of exception and those derived from it.</summary>
    public static ExceptionHandling Of<TException>(double threshold = 1.0) where TException : Exception =>
        new(threshold, static e => e is TException);

    internal bool Catches(Exception exception) => Handles?.Invoke(exception) ?? true;
}
