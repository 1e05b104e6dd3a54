namespace Beam;

/// <summary>An element that a transform could not process.</summary>
/// <param name="Element">The element.</param>
/// <param name="ExceptionType">The full name of the exception's type.</param>
/// <param name="Message">The exception's message.</param>
/// <param name="StackTrace">Where it was thrown; empty if it was not.</param>
/// <typeparam name="T">The element's type.</typeparam>
public sealed record FailedElement<T>(T Element, string ExceptionType, string Message, string StackTrace);

/// <summary>Makes <see cref="FailedElement{T}"/>s.</summary>
public static class FailedElement
{
    /// <summary>An element with the exception that it caused.</summary>
    public static FailedElement<T> Of<T>(T element, Exception exception) =>
        new(element, exception.GetType().FullName ?? exception.GetType().Name, exception.Message, exception.StackTrace ?? "");
}
