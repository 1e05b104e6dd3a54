using Beam.Harness;

namespace Beam;

/// <summary>An error in one line, for whoever ran the program.</summary>
internal static class ErrorLine
{
    private const string Hint = "(--verbose prints the stack trace)";

    /// <summary>The message; for what the user's code threw also where, and how to see more.</summary>
    public static string Of(Exception error)
    {
        var text = error switch
        {
            PipelineException { Details: var details } when FailureReport.IsDeterministic(details) => error.Message,
            PipelineException { Details: var details } => $"{error.Message}{Place(details)} {Hint}",
            BeamException => error.Message,
            _ => $"{error.GetType().FullName}: {error.Message}{Place(error.ToString())} {Hint}",
        };
        return text.ReplaceLineEndings(" ");
    }

    /// <summary>Of the first frame that has a line of source and is neither the framework's nor ours.</summary>
    private static string Place(string report)
    {
        foreach (var line in report.AsSpan().EnumerateLines())
        {
            var frame = line.Trim();
            if (!frame.StartsWith("at ", StringComparison.Ordinal)) continue;
            frame = frame[3..];
            var source = frame.LastIndexOf(" in ", StringComparison.Ordinal);
            if (source < 0 || !frame[source..].Contains(":line ", StringComparison.Ordinal) || IsLibrary(frame)) continue;
            return $" at {frame[(source + " in ".Length)..]}";
        }

        return "";
    }

    private static bool IsLibrary(ReadOnlySpan<char> frame) =>
        frame.StartsWith("Beam.", StringComparison.Ordinal) || frame.StartsWith("System.", StringComparison.Ordinal) || frame.StartsWith("Microsoft.", StringComparison.Ordinal);
}
