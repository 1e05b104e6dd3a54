namespace Beam.ML.Vllm.StructuredOutput;

/// <summary>A constraint on the output that cannot be used: malformed, not supported, without any text that fits it, or too large. The request alone is refused.</summary>
public sealed class StructuredOutputException : ArgumentException
{
    /// <summary>An error without a message of its own.</summary>
    public StructuredOutputException()
    {
    }

    /// <param name="message">What is wrong with the constraint, where, and what would be right.</param>
    public StructuredOutputException(string message) : base(message)
    {
    }

    /// <param name="message">What is wrong with the constraint, where, and what would be right.</param>
    /// <param name="innerException">What was found first.</param>
    public StructuredOutputException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
