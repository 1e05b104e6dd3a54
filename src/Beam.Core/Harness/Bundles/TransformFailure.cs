using System.Text;

namespace Beam.Harness;

/// <summary>An exception together with the transform that threw it.</summary>
internal sealed class TransformFailure(string transformName, Exception inner) : Exception(inner.Message, inner)
{
    public string TransformName => transformName;
}

/// <summary>What a runner is told of a failure.</summary>
internal static class FailureReport
{
    /// <summary>
    /// One line with type, message and transform, then the whole exception. An error that is made to be read needs no type: its message
    /// says what to do.
    /// </summary>
    public static string Describe(Exception error, string? transformName)
    {
        if (error is TransformFailure { InnerException: { } inner } failure) (error, transformName) = (inner, failure.TransformName);
        var message = string.Join(' ', error.Message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        var report = new StringBuilder();
        if (error is not BeamException) report.Append(error.GetType().FullName).Append(": ");
        report.Append(message);
        if (transformName is not null) report.Append(" [while running '").Append(transformName).Append("']");
        return report.Append('\n').Append(error).ToString();
    }
}
