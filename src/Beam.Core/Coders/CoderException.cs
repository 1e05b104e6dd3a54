namespace Beam.Coders;

/// <summary>A value could not be encoded, or bytes could not be decoded.</summary>
public class CoderException : Exception
{
    /// <summary>Says what was wrong.</summary>
    public CoderException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>The bytes ended before the value did.</summary>
public sealed class TruncatedValueException : CoderException
{
    /// <summary>Says what was missing.</summary>
    public TruncatedValueException(string message)
        : base(message)
    {
    }
}
