namespace Beam.Coders;

/// <summary>A type has no coder, or a coder of a pipeline proto cannot produce the type that is wanted of it.</summary>
public sealed class CoderNotFoundException : Exception
{
    /// <summary>Says which type, where it was met, and what to do.</summary>
    public CoderNotFoundException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
