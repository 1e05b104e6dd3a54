namespace Beam;

/// <summary>
/// Something that the user can mend: the message is one line that says what was wrong, with which input, and what to do.
/// </summary>
public class BeamException : Exception
{
    /// <summary>Creates the exception.</summary>
    public BeamException(string message) : base(message) { }

    /// <summary>Creates the exception with its cause.</summary>
    public BeamException(string message, Exception? innerException) : base(message, innerException) { }
}

/// <summary>A pipeline that cannot be built: a type without a coder, a value that cannot travel, a wrong argument.</summary>
public sealed class PipelineConstructionException : BeamException, IDeterministicError
{
    /// <summary>Creates the exception.</summary>
    public PipelineConstructionException(string message) : base(message) { }

    /// <summary>Creates the exception with its cause.</summary>
    public PipelineConstructionException(string message, Exception? innerException) : base(message, innerException) { }
}

/// <summary>A job that failed. The message is the user's error in one line; <see cref="Details"/> has all that the worker said of it.</summary>
public sealed class PipelineException : BeamException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">The error in one line.</param>
    /// <param name="details">The worker's report with the stack trace.</param>
    public PipelineException(string message, string details) : base(message) => Details = details;

    /// <summary>The worker's report, with the stack trace.</summary>
    public string Details { get; }

    /// <inheritdoc/>
    public override string ToString()
    {
        // The report begins with what became the message.
        var report = Details.StartsWith(Message, StringComparison.Ordinal) ? Details : $"{Message}\n{Details}";
        return $"{GetType().FullName}: {report}\n--- end of the worker's report ---\n{StackTrace}";
    }
}
