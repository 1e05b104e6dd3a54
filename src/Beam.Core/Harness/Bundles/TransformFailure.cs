using System.Text;
using Beam.Testing;

namespace Beam.Harness;

/// <summary>An exception together with the transform that threw it.</summary>
internal sealed class TransformFailure(string transformName, Exception inner) : Exception(inner.Message, inner)
{
    public string TransformName => transformName;
}

/// <summary>What a runner is told of a failure.</summary>
internal static class FailureReport
{
    /// <summary>The second line of the report of an error that would only come again. A message never gets there: it is one line.</summary>
    private const string DeterministicLine = "This error comes whenever the bundle is tried; it is not tried again.";

    /// <summary>
    /// One line with type, message and transform, then the rest of the exception. An error that is made to be read needs no type: its message
    /// says what to do.
    /// </summary>
    public static string Describe(Exception error, string? transformName)
    {
        if (error is TransformFailure { InnerException: { } inner } failure) (error, transformName) = (inner, failure.TransformName);
        var message = string.Join(' ', error.Message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        var report = new StringBuilder();
        if (error is not (BeamException or PAssertException)) report.Append(error.GetType().FullName).Append(": ");
        report.Append(message);
        // An assertion begins with its name.
        if (transformName is not null && error is not PAssertException) report.Append(" [while running '").Append(transformName).Append("']");
        if (error is IDeterministicError || error.GetType() == typeof(BeamException)) report.Append('\n').Append(DeterministicLine);
        return report.Append('\n').Append(message == error.Message ? WithoutMessage(error) : error.ToString()).ToString();
    }

    /// <summary>Whether a report is of an error that comes whenever the same bundle is tried.</summary>
    public static bool IsDeterministic(string report)
    {
        var end = report.IndexOf('\n', StringComparison.Ordinal);
        return end >= 0 && report.AsSpan(end + 1).StartsWith(DeterministicLine, StringComparison.Ordinal);
    }

    /// <summary>The first line has said it, if it was one line.</summary>
    private static string WithoutMessage(Exception error)
    {
        var text = error.ToString();
        var head = $"{error.GetType()}: {error.Message}";
        return text.StartsWith(head, StringComparison.Ordinal) ? text[head.Length..].TrimStart('\r', '\n') : text;
    }
}
